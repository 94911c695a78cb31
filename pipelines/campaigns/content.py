"""Reference tables of a campaign: `content/<name>.json`, `.yaml` or `.csv` as one JSON text by name.

Equal values give equal texts whatever the file's format, and a table's text reads back to the same values in
the same order. Values are those of JSON; what JSON cannot hold is refused with its line. Does not know
templates.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import yaml

from pipelines.campaigns.errors import Problem

CONTENT_FOLDER = "content"
#: All tables of a campaign together, as JSON: every worker holds them, and bundles carry them.
CONTENT_BYTES_MAX = 1_000_000
_DEPTH_MAX = 16
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d+)?")


class _RefusedError(ValueError):
    """What is wrong in a file, and where."""

    def __init__(self, found: str, place: str = "", fix: str = "") -> None:
        super().__init__(found, place, fix)
        self.found, self.place, self.fix = found, place, fix


def read_table(path: str, label: str, text: str) -> tuple[str, str] | Problem:
    """(name, JSON text) of a table's file, or what is wrong with it; `path` is below the content folder."""
    name, _, ending = path.rpartition(".")
    if ending not in _READERS:
        return Problem(label, "", "an unknown kind of file", ", ".join(f"*.{one}" for one in _READERS), "")
    if not _NAME.fullmatch(name):
        fix = "Templates reach the table by the file's name: use letters, digits and _"
        return Problem(label, "", f"'{name}' is no name", "such as price_list", fix)
    try:
        value = _READERS[ending](text)
        _check(value, name, 0)
        return name, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except _RefusedError as error:
        return Problem(label, error.place, error.found, "", error.fix)
    except RecursionError:
        return Problem(label, "", f"more than {_DEPTH_MAX} levels", "", "Flatten it")


def tables(content: Mapping[str, str]) -> dict[str, Any]:
    """The values of a campaign's tables by name."""
    return {name: json.loads(text) for name, text in content.items()}


def size_problems(content: Mapping[str, str]) -> Iterator[Problem]:
    """Tables that are too large to be carried by every bundle and worker."""
    size = sum(len(text.encode("utf-8")) for text in content.values())
    if size > CONTENT_BYTES_MAX:
        allowed = f"at most {CONTENT_BYTES_MAX:,}"
        fix = "Keep what templates read; data of that size belongs to the audience or to the trigger"
        yield Problem(f"{CONTENT_FOLDER}/", "", f"{size:,} bytes in all tables", allowed, fix)


def _check(value: Any, path: str, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise _RefusedError(f"more than {_DEPTH_MAX} levels", fix="Flatten it")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise _RefusedError(f"{path}: the key {key!r} is no text", fix="Put it in quotes")
            _check(key, path, depth)
            _check(inner, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _check(inner, f"{path}[{place}]", depth + 1)
    elif isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise _RefusedError(f"{path}: half of a surrogate pair", fix="Write the character itself")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedError(f"{path}: a number that is not finite", fix="Write a number or null")
    elif value is not None and not isinstance(value, int):
        raise _RefusedError(f"{path}: a {type(value).__name__}", fix="Values are those of JSON")


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _RefusedError(f"not JSON: {error.msg}", place) from None
    except ValueError as error:
        if isinstance(error, _RefusedError):
            raise
        raise _RefusedError(f"not JSON: {error}") from None  # a number of more digits than Python reads


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RefusedError(f"the key '{key}' is written twice in one object", fix="Remove one")
        found[key] = value
    return found


def _no_constant(word: str) -> NoReturn:
    raise _RefusedError(f"{word} is not JSON", fix="Write a number or null")


class _Loader(yaml.SafeLoader):
    """YAML's values as JSON has them: dates stay text, keys are unique, nothing is shared by reference."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library declares it so
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # An alias of an alias of … is small as a file and huge as a value.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it open
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that is no text; put it in quotes", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is written twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise _RefusedError(f"not valid YAML: {reason}", place) from None
    except ValueError as error:
        raise _RefusedError(f"not valid YAML: {error}") from None


def _csv(text: str) -> dict[str, dict[str, Any]]:
    """Rows by the text of their first column. A column of numbers is numbers; an empty cell is null."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    keys: dict[str, int] = {}
    rows: list[list[str]] = []
    try:
        for cells in reader:
            if not cells:
                continue
            if not header:
                header = _header(cells)
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                raise _RefusedError(f"{len(cells)} cells under {len(header)} column names", place)
            if not cells[0]:
                raise _RefusedError(f"no value in the first column, '{header[0]}'", place)
            if cells[0] in keys:
                found = f"'{cells[0]}' is in the first column twice (line {keys[cells[0]]} before)"
                raise _RefusedError(found, place, "Its values are the keys of the table")
            keys[cells[0]] = reader.line_num
            rows.append(cells)
    except csv.Error as error:
        raise _RefusedError(f"not CSV: {error}", f"line {reader.line_num}") from None
    if not header:
        raise _RefusedError("empty", fix="The first line names the columns")
    columns = [list(keys), *(_typed([row[at] for row in rows]) for at in range(1, len(header)))]
    return {row[0]: dict(zip(header, row, strict=True)) for row in zip(*columns, strict=True)}


def _header(cells: list[str]) -> list[str]:
    for at, cell in enumerate(cells):
        if not cell.strip() or cell in cells[:at]:
            found = f"column {at + 1} has no name" if not cell.strip() else f"two columns are named '{cell}'"
            raise _RefusedError(found, "line 1")
    return [cell.strip() for cell in cells]


def _typed(cells: list[str]) -> list[Any]:
    filled = [cell for cell in cells if cell]
    kind: Callable[[str], Any] = str
    if filled and all(map(_INTEGER.fullmatch, filled)):
        kind = int
    elif filled and all(map(_NUMBER.fullmatch, filled)):
        kind = float
    return [kind(cell) if cell else None for cell in cells]


_READERS: Mapping[str, Callable[[str], Any]] = {"json": _json, "yaml": _yaml, "csv": _csv}
