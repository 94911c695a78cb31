"""Turns pydantic's complaints about settings into lines a user can act on.

Invariant: each line names the file and key path or the variable, what was found (never a secret), and what is
allowed or closest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from conf.base import Section, is_secret, section_type
from conf.settings import Settings

_UNITS = {
    "_ms": "a whole number of milliseconds, without a unit",
    "_bytes": "a whole number of bytes, without a unit",
    "_bytes_max": "a whole number of bytes, without a unit",
}


def explain(
    problem: ValidationError, tree: Mapping[str, Any], place: str, origins: Mapping[tuple[str, ...], str]
) -> str:
    """One line for each complaint."""
    lines = []
    for error in problem.errors(include_url=False, include_input=False, include_context=False):
        path = tuple(str(part) for part in error["loc"])
        # A list comes from one variable, whichever of its items is wrong.
        named = [origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins]
        where = named[0] if named else f"{place}: {'.'.join(path) or 'settings'}"
        lines.append(f"{where}: {_say(error['type'], error['msg'], path, tree)}")
    return "\n".join(lines)


def closest_hint(key: str, allowed: Iterable[str]) -> str:
    """`. Did you mean 'x'? Allowed: …` for an unknown key."""
    names = list(allowed)
    close = difflib.get_close_matches(key, names, n=1)
    return (f". Did you mean '{close[0]}'?" if close else ".") + f" Allowed: {', '.join(names)}"


def _say(kind: str, message: str, path: tuple[str, ...], tree: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return "unknown key" + closest_hint(path[-1], _keys_of(path[:-1]))
    if kind == "missing":
        variable = "CARILLON_" + "__".join(path).upper()
        is_section = _field_is_section(path)
        return "missing section" if is_section else f"missing. fix: write it in the file or set {variable}"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    unit = next((text for suffix, text in _UNITS.items() if path and path[-1].endswith(suffix)), None)
    expected = f"; expected {unit}" if unit and kind in ("int_parsing", "int_type", "int_from_float") else ""
    return f"{message[:1].lower()}{message[1:]}; found {_found(path, tree)}{expected}"


def _found(path: tuple[str, ...], tree: Mapping[str, Any]) -> str:
    model: type[Section] | None = Settings
    value: Any = tree
    for key in path:
        field = model.model_fields.get(key) if model else None
        if field and is_secret(field.annotation):
            return "a secret (not shown)"
        model = section_type(field.annotation) if field else None
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        return "a section"
    return "nothing" if value is None else repr(value)


def _model_at(path: tuple[str, ...]) -> type[Section] | None:
    model: type[Section] | None = Settings
    for key in path:
        field = model.model_fields.get(key) if model else None
        model = section_type(field.annotation) if field else None
    return model


def _keys_of(path: tuple[str, ...]) -> list[str]:
    model = _model_at(path)
    return [name for name in model.model_fields if name != "environment"] if model else []


def _field_is_section(path: tuple[str, ...]) -> bool:
    return _model_at(path) is not None
