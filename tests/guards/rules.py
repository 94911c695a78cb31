"""The structural rules as functions of source text, so that each can be tried on a bad sample.

Invariant: a rule returns one line per violation, with the line number and what to do instead; no violation,
no line. They read the syntax tree, never import the code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Room → the rooms it may import. Nothing may import jobs, console, bench or drills.
_LOWER = frozenset({"schemas", "conf"})
_DOMAIN = _LOWER | {"pipelines", "senders"}
ROOMS: dict[str, frozenset[str]] = {
    "schemas": frozenset(),
    "conf": frozenset(),
    "pipelines": _LOWER,
    "senders": _LOWER,
    "embedded": _DOMAIN,
    "examples": _DOMAIN | {"embedded"},
    "jobs": _DOMAIN,
    "console": _DOMAIN | {"embedded", "examples"},
    "bench": _DOMAIN | {"embedded", "examples"},
    "drills": _DOMAIN | {"embedded", "examples"},
}

# "About 250" and "about 50": the slack keeps the guard from deciding by a line or two.
FILE_LINES_MAX = 270
FUNCTION_LINES_MAX = 60
JOB_LINES_MAX = 80

CLOCKS_AND_CHANCE = frozenset(
    {
        "current_date", "current_timestamp", "localtimestamp", "now", "utcnow", "today", "rand", "randn",
        "randstr", "uuid", "uuid1", "uuid4", "urandom", "monotonically_increasing_id",
    }
)  # fmt: skip
_CHANCE_MODULES = frozenset({"random", "secrets"})


def imported_rooms(source: str) -> Iterator[tuple[int, str]]:
    """Line and room of each import of a room, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        else:
            continue
        for name in names:
            room = name.split(".")[0]
            if room in ROOMS:
                yield node.lineno, room


def import_direction(room: str, source: str) -> list[str]:
    """Imports that point the wrong way."""
    allowed = ROOMS[room] | {room}
    return [
        f"line {line}: {room} imports {other}; it may import {', '.join(sorted(ROOMS[room])) or 'no room'}"
        for line, other in imported_rooms(source)
        if other not in allowed
    ]


def sizes(source: str, lines_max: int = FILE_LINES_MAX) -> list[str]:
    """Files and functions that hold two ideas."""
    count = len(source.splitlines())
    found = [f"{count} lines; at most {lines_max}: split it by idea"] if count > lines_max else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                found.append(
                    f"line {node.lineno}: {node.name}() has {length} lines; at most {FUNCTION_LINES_MAX}"
                )
    return found


def time_and_chance(source: str) -> list[str]:
    """Calls that make a replay decide differently; time and chance are arguments."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CLOCKS_AND_CHANCE or ast.unparse(node.func) == "time.time":
                found.append(
                    f"line {line}: {ast.unparse(node.func)}(); take the time or the seed as an argument"
                )
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            imported = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            if module in _CHANCE_MODULES or imported & {"uuid1", "uuid4", "current_timestamp", "rand"}:
                found.append(
                    f"line {line}: imports chance or the clock; take the time or the seed as an argument"
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            sql = node.value.lower()
            found += [
                f"line {line}: SQL text with {name}(); take the time or the seed as an argument"
                for name in ("current_timestamp", "current_date", "now", "rand", "uuid")
                if f" {name}()" in f" {sql}"
            ]
    return found


def channel_branches(source: str, channels: tuple[str, ...]) -> list[str]:
    """Branches on a channel's name; what differs per channel belongs into schemas/channels.py."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_names_channel(side, channels) for side in sides) and any(
                "channel" in ast.unparse(side).lower() for side in sides if not _names_channel(side, channels)
            ):
                found.append(
                    f"line {node.lineno}: {ast.unparse(node)}; put the difference into schemas/channels.py"
                )
        elif isinstance(node, ast.Match) and "channel" in ast.unparse(node.subject).lower():
            cases = " ".join(ast.unparse(case.pattern) for case in node.cases)
            if any(repr(name) in cases for name in channels):
                found.append(
                    f"line {node.lineno}: match on a channel; put the difference into schemas/channels.py"
                )
    return found


def _names_channel(node: ast.expr, channels: tuple[str, ...]) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_names_channel(item, channels) for item in node.elts)
    return isinstance(node, ast.Constant) and node.value in channels


def shadows(module: str) -> bool:
    """True when a job's name would hide a standard module: spark-submit puts jobs/ first."""
    return module in sys.stdlib_module_names


def python_files(room: str) -> list[Path]:
    """The room's Python files, without caches."""
    return sorted(path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)
