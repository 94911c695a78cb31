"""What breaks a neighbour between two versions of a record's schema.

Invariant: for records we write, a reader of the old schema must find what it was promised; for records we
read, a writer of the old schema must still be accepted. It compares structure (fields, types, requiredness),
not descriptions.
"""

from __future__ import annotations

from typing import Any


def flatten(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Path of each field (`messages[].to`) → its JSON types or allowed values, and if it is required."""
    found: dict[str, dict[str, Any]] = {}
    _walk(schema, schema, "", found)
    return found


def _walk(node: dict[str, Any], root: dict[str, Any], path: str, found: dict[str, dict[str, Any]]) -> None:
    node = _resolve(node, root)
    for name, inner in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        is_required = name in node.get("required", [])
        found[where] = {"accepts": sorted(_accepts(inner, root)), "required": is_required}
        _walk(inner, root, where, found)
    if "items" in node:
        _walk(node["items"], root, f"{path}[]", found)


def _resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        resolved: dict[str, Any] = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return resolved
    return node


def _accepts(node: dict[str, Any], root: dict[str, Any]) -> set[str]:
    node = _resolve(node, root)
    if "anyOf" in node:
        return {kind for option in node["anyOf"] for kind in _accepts(option, root)}
    if "enum" in node:
        return {f"={value}" for value in node["enum"]}
    return {f"={node['const']}"} if "const" in node else {str(node["type"])}


def breaks(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]], direction: str) -> list[str]:
    """What a neighbour built against `old` would stumble over in `new`; direction as in a topic's YAML."""
    found = []
    for path, before in old.items():
        after = new.get(path)
        if after is None:
            found.append(f"{path}: removed")
            continue
        lost, gained = (
            set(before["accepts"]) - set(after["accepts"]),
            set(after["accepts"]) - set(before["accepts"]),
        )
        if direction == "in":
            found += [f"{path}: no longer accepts {kind}" for kind in sorted(lost)]
            found += [f"{path}: now required"] if after["required"] and not before["required"] else []
        else:
            found += [f"{path}: may now be {kind}" for kind in sorted(gained)]
            found += (
                [f"{path}: no longer always there"] if before["required"] and not after["required"] else []
            )
    if direction == "in":
        found += [
            f"{path}: new and required"
            for path, after in new.items()
            if path not in old and after["required"]
        ]
    return found
