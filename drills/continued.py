"""Drills that were stopped go on: what their report has of the same code is kept, what it lacks is tried.

Invariant: a drill that did not pass stays in the report as it is; only other code gives it another try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drills.catalog import Drill
from drills.outcome import Outcome
from pipelines.errors import InputError

_ROOT = Path(__file__).resolve().parent.parent
#: What the drills try.
_TRIED = ("conf", "jobs", "logstore", "pipelines", "schemas", "spark-submit.sh")


def code_digest() -> str:
    """Of all that is tried: equal for two reports on the same code."""
    files = (path for name in _TRIED for path in _files(_ROOT / name))
    told = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        told.update(f"{path.relative_to(_ROOT)}\x1f{len(content)}\x1f".encode() + content)
    return told.hexdigest()[:16]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return (one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)


def read_outcomes(folder: Path, code: str) -> dict[str, Outcome]:
    """The outcomes in a folder's `drills.json`, by name; none where there is no report. Raises `InputError` for one on
    other code."""
    file = folder / "drills.json"
    if not file.exists():
        return {}
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if report.get("code") != code:
        raise InputError(
            f"{file} is of other code than that which is here, and one report is of one code: start anew without "
            "--continue, or name another folder with --out."
        )
    return {row["name"]: _outcome(row) for row in report["drills"]}


def _outcome(row: Mapping[str, Any]) -> Outcome:
    numbers = {name: row[name] for name in ("kills", "planned", "seen", "duplicates", "missing", "seconds")}
    return Outcome(
        row["name"],
        **numbers,
        recovery_s=row["recovery_s"],
        recoveries=list(row["recoveries_s"]),
        faults=list(row["faults"]),
    )


def lacking(chosen: Sequence[Drill], done: Mapping[str, Outcome], kills: Mapping[str, int]) -> list[Drill]:
    """The drills that were not tried, and those that passed with fewer kills than asked for, as `kills` names them."""

    def is_done(name: str) -> bool:
        found = done.get(name)
        return found is not None and (not found.passed or found.kills >= kills.get(name, 0))

    return [one for one in chosen if not is_done(one.name)]


def what_is_left(
    chosen: Sequence[Drill], done: Mapping[str, Outcome], kills: Mapping[str, int]
) -> tuple[list[Drill], dict[str, Outcome]]:
    """The drills to try, with the undisturbed ones, since the servers to compare on are new; and the outcomes to which
    what comes is added."""
    left = lacking(chosen, done, kills)
    todo = [one for one in chosen if one in left or one.name.endswith("-undisturbed")] if left else []
    return todo, {one.name: done[one.name] for one in left if one.name in done}
