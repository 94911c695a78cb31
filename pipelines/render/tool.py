"""Rendering template files over JSON lines: what `carillon render` does, as plain functions.

Invariant: one JSON result a line, in the order of the rows; needs no Spark. A row reads as if it were the only
one. Does not parse a command line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipelines.render.errors import RowError
from pipelines.render.pruning import ALL, Need, needs_of
from pipelines.render.settings import RenderContext
from pipelines.render.shapes import by_shape
from pipelines.render.template import Engine, Rendered, compile_template

_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_SUFFIXES = (".j2", ".jinja", ".jinja2", ".html", ".txt")


class DataError(ValueError):
    """Rows that are no JSON objects, or that do not fit `--type`, with the file and line."""


def sources_beside(template: Path, root: Path | None = None) -> tuple[str, dict[str, str]]:
    """The template's name and every template under its root, by path from there.

    The root is the nearest folder above called `templates`, or else the template's own folder.
    """
    template = template.resolve()
    if root is None:
        above = [p for p in template.parents if p.name == "templates"]
        root = above[0] if above else template.parent
    root = root.resolve()
    found = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and (path.suffix in _SUFFIXES or path == template)
    }
    name = template.relative_to(root).as_posix() if template.is_relative_to(root) else template.name
    found.setdefault(name, template.read_text(encoding="utf-8"))
    return name, found


def read_rows(lines: Iterable[str], origin: str = "rows") -> list[dict[str, Any]]:
    """JSON objects, one a line; blank lines are skipped, lone surrogates become U+FFFD."""
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{origin} line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{origin} line {number}: a {type(row).__name__}, expected an object of variables"
            )
        rows.append(_encodable(row))
    return rows


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.translate(_SURROGATES)
    if isinstance(value, list):
        return [_encodable(v) for v in value]
    if isinstance(value, dict):
        return {_encodable(k): _encodable(v) for k, v in value.items()}
    return value


def typed(rows: list[dict[str, Any]], types: Iterable[str]) -> list[dict[str, Any]]:
    """The rows with the values at some paths converted: `order.placed_at=timestamp`, `orders[].day=date`."""
    for one in types:
        path, _, kind = one.partition("=")
        if kind not in _TYPES:
            raise DataError(f"--type {one}: write PATH=TYPE, with a TYPE of {', '.join(_TYPES)}")
        steps = path.replace("[]", "").split(".")
        found = False
        for number, row in enumerate(rows, 1):
            try:
                found = _convert(row, steps, _TYPES[kind]) or found
            except (ValueError, ArithmeticError):
                raise DataError(f"row {number}: {path} is no {kind}: expected {_EXPECTED[kind]}") from None
        if rows and not found:
            raise DataError(f"--type {one}: no row has {path!r}")
    return rows


def _convert(value: Any, steps: list[str], convert: Callable[[Any], Any]) -> bool:
    """Converts in place; whether the path is there. Lists are gone through, null stays null."""
    if isinstance(value, list):
        found = [_convert(item, steps, convert) for item in value]  # all of them, not up to the first
        return any(found)
    if not isinstance(value, dict) or steps[0] not in value:
        return False
    if len(steps) > 1:
        return _convert(value[steps[0]], steps[1:], convert)
    held = value[steps[0]]
    if isinstance(held, list):
        value[steps[0]] = [None if item is None else convert(item) for item in held]
    elif held is not None:
        value[steps[0]] = convert(held)
    return True


_ZONED = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


def _timestamp(value: Any) -> datetime:
    if not isinstance(value, str) or not _ZONED.fullmatch(value):
        raise ValueError
    # Python 3.10 reads neither Z nor a fraction of other than three or six digits.
    text = value.upper().replace("Z", "+00:00").replace(" ", "T")
    whole, zone = text[:19], text[-6:]
    parsed = datetime.fromisoformat(f"{whole}.{text[20:-6]:0<6}{zone}")
    return parsed.astimezone(timezone.utc)


def _date(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError
    return date.fromisoformat(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError
    made = Decimal(str(value))
    if not made.is_finite():
        raise ValueError
    return made


_TYPES: Mapping[str, Callable[[Any], Any]] = {"timestamp": _timestamp, "date": _date, "decimal": _decimal}
_EXPECTED = {
    "timestamp": "RFC 3339 such as 2026-03-01T09:30:00Z",
    "date": "such as 2026-03-01",
    "decimal": "a number, or its text",
}


def render_lines(
    name: str,
    sources: Mapping[str, str],
    rows: list[dict[str, Any]],
    *,
    html: bool = False,
    context: RenderContext | None = None,
    engine: Engine = "compiled",
) -> list[dict[str, Any]]:
    """One result for each row: {"row", "text"} or {"row", "error"}."""
    template = compile_template(name, sources, html=html, context=context, engine=engine)
    groups, left = by_shape(rows)
    results: dict[int, dict[str, Any]] = {}
    for numbers, batch in groups:
        results |= _results(numbers, template.render(batch))
    results |= _results(left, template.render_objects([rows[number] for number in left]))
    return [results[number] for number in range(len(rows))]


def _results(numbers: list[int], rendered: Rendered) -> dict[int, dict[str, Any]]:
    errors = {e.row: error_object(e) for e in rendered.errors}
    return {
        number: {"row": number, "error": errors[at]} if at in errors else {"row": number, "text": text}
        for at, (number, text) in enumerate(zip(numbers, rendered.text.to_pylist(), strict=True))
    }


_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def json_line(result: Mapping[str, Any]) -> str:
    """A result as one line, also for readers that take more than a line feed for the end of a line."""
    return json.dumps(result, ensure_ascii=False).translate(_BREAKS)


def error_object(error: RowError) -> dict[str, Any]:
    """A row's error for JSON."""
    return {
        "kind": error.kind,
        "template": error.template,
        "line": error.line,
        "variable": error.variable,
        "message": error.message,
    }


def first_difference(
    name: str,
    sources: Mapping[str, str],
    rows: list[dict[str, Any]],
    *,
    html: bool = False,
    context: RenderContext | None = None,
) -> dict[str, Any] | None:
    """The first row on which the compiled engine and Jinja2 disagree, with both results.

    Errors agree in kind and place; which variable it was is the better guess of the two.
    """
    both = [
        render_lines(name, sources, rows, html=html, context=context, engine=engine)
        for engine in ("compiled", "jinja2")
    ]
    for compiled, reference in zip(*both, strict=True):
        if _told(compiled) != _told(reference):
            return {"row": compiled["row"], "compiled": compiled, "jinja2": reference}
    return None


def _told(result: Mapping[str, Any]) -> tuple[Any, ...]:
    error = result.get("error", {})
    return result.get("text"), *(error.get(part) for part in ("kind", "template", "line"))


def reads(name: str, sources: Mapping[str, str], *, html: bool = False) -> list[str]:
    """The paths of data that a template and all it refers to read, such as `customer.first_name`."""
    template = compile_template(name, sources, html=html)
    needs = needs_of(one.tree for one in template.parsed.values())
    return sorted(_paths(needs, "", template.known_names))


def _paths(needs: Need, prefix: str, skip: frozenset[str]) -> Iterator[str]:
    for step, inner in needs.items():
        if step == ALL or (not prefix and step in skip):
            continue
        path = f"{prefix}{step}" if step == "[]" or not prefix else f"{prefix}.{step}"
        deeper = {k: v for k, v in inner.items() if k != ALL}
        if deeper:
            yield from _paths(deeper, path, skip)
        if ALL in inner or not deeper:
            yield path
