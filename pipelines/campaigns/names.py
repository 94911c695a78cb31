"""Finds reads of names that no recipient can have: `customer.fist_name` is wrong before the first message.

Reports only what must be undefined for every row; a read guarded by `is defined` or `default`, and a name
that the template itself assigns, are left to rendering. Does not check types or calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from jinja2 import nodes

from pipelines.campaigns.errors import did_you_mean
from pipelines.campaigns.references import parse

_GUARDS = frozenset({"default", "d"})
_GUARD_TESTS = frozenset({"defined", "undefined"})
_MOST_NAMED = 30
_METHODS = frozenset(name for kind in (dict, list, str) for name in dir(kind))


def unknown_names(
    source: str, schema: pa.Schema, content: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, str, str]]:
    """(line, path, hint) of each read of a field that neither the schema nor the reference tables have."""
    tree = parse(source)
    if tree is None:
        return
    types: dict[str, Any] = {field.name: field.type for field in schema}
    if content is not None:
        types["content"] = content
    for name in tree.find_all(nodes.Name):
        if name.ctx in ("store", "param"):
            types.pop(name.name, None)
    guarded = set(map(id, _guarded(tree)))
    seen: set[tuple[int, str]] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if id(node) in guarded:
            continue
        found = _fault(node, types)
        if found is not None and (node.lineno, found[0]) not in seen:
            seen.add((node.lineno, found[0]))
            yield node.lineno, *found


def _guarded(tree: nodes.Template) -> Iterator[nodes.Node]:
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if (
            node.name in (_GUARDS if isinstance(node, nodes.Filter) else _GUARD_TESTS)
            and node.node is not None
        ):
            yield node.node
            yield from node.node.find_all((nodes.Getattr, nodes.Getitem))
    conditions: list[nodes.If | nodes.CondExpr] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    for condition in conditions:
        tests = [condition.test, *condition.test.find_all(nodes.Test)]
        if any(isinstance(test, nodes.Test) and test.name in _GUARD_TESTS for test in tests):
            yield from condition.find_all((nodes.Getattr, nodes.Getitem))


def _fault(node: nodes.Expr, types: Mapping[str, Any]) -> tuple[str, str] | None:
    """The path and a hint, when exactly the last step of the path is the unknown one."""
    steps: list[str] = []
    inner: nodes.Node = node
    while isinstance(inner, (nodes.Getattr, nodes.Getitem)):
        if isinstance(inner, nodes.Getattr):
            steps.insert(0, inner.attr)
        elif isinstance(inner.arg, nodes.Const) and isinstance(inner.arg.value, str):
            steps.insert(0, inner.arg.value)
        else:
            return None
        inner = inner.node
    if not isinstance(inner, nodes.Name) or inner.name not in types:
        return None
    current, path = types[inner.name], inner.name
    for place, step in enumerate(steps):
        path = f"{path}.{step}"
        fields = _fields(current)
        if fields is None:
            return None
        if step not in fields:
            is_last = place == len(steps) - 1
            known = f"it has: {', '.join(list(fields)[:_MOST_NAMED])}" if fields else "there is none"
            return (path, did_you_mean(step, fields, known)) if is_last and step not in _METHODS else None
        current = fields[step]
    return None


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a struct's type or of a table's entry."""
    if isinstance(value, pa.StructType):
        return {field.name: field.type for field in value}
    return value if isinstance(value, Mapping) else None
