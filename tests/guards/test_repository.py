"""The guards on the repository itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.channels import CHANNEL_NAMES
from schemas.reasons import REASON_CODES
from tests.guards import rules

ROOMS_THERE = [room for room in rules.ROOMS if (rules.ROOT / room).is_dir()]
# Files that may do what a guard refuses, and why. An entry that is no longer needed fails too.
CLOCK_ALLOWED = {
    "pipelines/edges/faultpoints.py": "the clock itself, which a drill may let jump",
    "pipelines/edges/makeup.py": "whether what senders said of a run can still be there",
    "pipelines/edges/scheduled.py": "the one reading of a run's clock, pinned in its manifest",
    "pipelines/edges/tables.py": "when a file was written, which Delta's protocol asks for and nobody reads",
    "pipelines/edges/stream.py": "the one reading of an epoch's clock, pinned in its manifest",
}
CHANNEL_ALLOWED = {"pipelines/campaigns/checks.py": "the wording of one hint"}


def complaints(room: str, rule: Callable[..., list[str]], *arguments: object) -> list[str]:
    return [
        f"{path.relative_to(rules.ROOT)}: {line}"
        for path in rules.python_files(room)
        for line in rule(path.read_text(encoding="utf-8"), *arguments)
    ]


def test_every_room_is_known_to_the_guards() -> None:
    ignored = {"tests", "docs", "deploy", "logstore", "scripts", "out", "build"}
    there = {path.name for path in rules.ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    holding_code = {name for name in there - ignored if rules.python_files(name)}
    assert holding_code <= set(rules.ROOMS)


@pytest.mark.parametrize("room", ROOMS_THERE)
def test_imports_point_one_way(room: str) -> None:
    def direction(source: str) -> list[str]:
        return rules.import_direction(room, source)

    assert complaints(room, direction) == []


@pytest.mark.parametrize("room", ROOMS_THERE)
def test_files_and_functions_hold_one_idea(room: str) -> None:
    assert complaints(room, rules.sizes) == []


def test_jobs_are_thin_and_named_by_verbs() -> None:
    for path in rules.python_files("jobs"):
        assert not rules.shadows(path.stem), path
        if not path.name.startswith("_"):
            assert rules.sizes(path.read_text(encoding="utf-8"), rules.JOB_LINES_MAX) == [], path


def test_pipelines_take_time_and_chance_as_arguments() -> None:
    found = complaints("pipelines", rules.time_and_chance)
    assert [line for line in found if line.split(":")[0] not in CLOCK_ALLOWED] == []
    assert {line.split(":")[0] for line in found} == set(CLOCK_ALLOWED)


def test_no_branch_on_a_channel_outside_the_table() -> None:
    found = [line for room in ROOMS_THERE for line in complaints(room, rules.channel_branches, CHANNEL_NAMES)]
    assert [line for line in found if line.split(":")[0] not in CHANNEL_ALLOWED] == []
    assert {line.split(":")[0] for line in found} == set(CHANNEL_ALLOWED)


def test_every_reason_is_used_somewhere() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in rules.python_files("pipelines"))
    assert [reason for reason in REASON_CODES if f'"{reason}"' not in code] == []
