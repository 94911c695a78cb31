"""The judgement of a drill sees what it is there to see: each kind of disagreement, alone."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import TypeGuard

import pytest

from drills.__main__ import choose, in_groups
from drills.catalog import DRILLS
from drills.continued import lacking, read_outcomes, what_is_left
from drills.job import Job
from drills.outcome import Outcome, compare, merge
from drills.plan import Planned
from drills.report import document, page, write
from drills.trial import KINDS, end_of
from pipelines.edges.faultpoints import POINTS
from pipelines.errors import InputError
from tests.guards.rules import python_files


def planned(*ids: str, doubled: int = 0) -> Planned:
    return Planned(messages=Counter(ids), considered=Counter(), doubled=doubled)


def test_agreement_passes() -> None:
    outcome = compare("d", planned("a", "b"), Counter(["a", "b"]))
    assert outcome == Outcome("d", planned=2, seen=2)
    assert outcome.passed


@pytest.mark.parametrize(
    ("plan", "seen", "numbers"),
    [
        (planned("a", "b"), ["a"], (2, 1, 0, 1)),
        (planned("a", "b"), ["a", "b", "b"], (2, 3, 1, 0)),
        # As many as planned, and yet one is lost and one is there twice.
        (planned("a", "b"), ["a", "a"], (2, 2, 1, 1)),
        (planned("a"), ["a", "x"], (1, 2, 1, 0)),
    ],
)
def test_a_loss_and_a_duplicate_are_seen(
    plan: Planned, seen: list[str], numbers: tuple[int, int, int, int]
) -> None:
    outcome = compare("d", plan, Counter(seen))
    assert (outcome.planned, outcome.seen, outcome.duplicates, outcome.missing) == numbers
    assert not outcome.passed


@pytest.mark.parametrize("plan", [planned("a", "a"), planned("a", doubled=1)])
def test_a_doubled_plan_is_a_fault_although_all_of_it_was_sent(plan: Planned) -> None:
    assert not compare("d", plan, Counter(plan.messages)).passed


def test_a_drill_without_messages_does_not_pass() -> None:
    assert not compare("d", planned(), Counter()).passed


def test_the_report_adds_up_and_names_what_was_not_done() -> None:
    good = Outcome("a", kills=2, planned=5, seen=5, recoveries=[1.0, 3.0])
    bad = Outcome("b", kills=1, planned=4, seen=3, missing=1, faults=["1 < 2"])
    for one in (good, bad):
        one.settle()
    report = document([good, bad], ["c"], seed=7, code="d1")
    assert [set(one) >= {"name", "kills", "planned", "seen", "duplicates", "missing", "recovery_s"} for one in
            report["drills"]] == [True, True]  # fmt: skip
    assert report["drills"][0]["recovery_s"] == 2.0
    totals = report["totals"]
    assert (totals["kills"], totals["planned"], totals["seen"], totals["missing"]) == (3, 9, 8, 1)
    assert (totals["passed"], totals["recovery_s_worst"]) == (1, 3.0)
    shown = page(report, {"a": "what <b>"})
    assert "1 &lt; 2" in shown
    assert "what &lt;b&gt;" in shown
    assert "<li>c</li>" in shown
    assert "<strong>1 of 2" in shown
    assert "median 2.0 s, worst 3.0 s" in shown
    assert "http" not in shown


def test_what_was_stopped_goes_on_with_what_is_lacking(tmp_path: Path) -> None:
    chosen = choose(["stream-sigterm", "stream-burst", "stream-grown-topics", "stream-random-kills"])
    kills = {"stream-random-kills": 5}
    calm = Outcome("stream-undisturbed", planned=5, seen=5)
    done = Outcome("stream-sigterm", planned=5, seen=5, recoveries=[1.25, 2.0], seconds=30.0)
    bad = Outcome("stream-burst", planned=5, seen=4, missing=1, faults=["one is lost"])
    some = Outcome("stream-random-kills", kills=3, planned=5, seen=5, recoveries=[4.5])
    done.settle()
    some.settle()
    write(tmp_path, document([calm, done, bad, some], [], seed=7, code="d1"), {})
    kept = read_outcomes(tmp_path, "d1")
    assert list(kept.values()) == [calm, done, bad, some]
    todo, begun = what_is_left(chosen, kept, kills)
    assert [one.name for one in todo] == ["stream-undisturbed", "stream-grown-topics", "stream-random-kills"]
    assert begun == {"stream-random-kills": some}
    kept["stream-grown-topics"] = Outcome("stream-grown-topics", planned=5, seen=5)
    assert [one.name for one in lacking(chosen, kept, kills)] == ["stream-random-kills"]
    kept["stream-random-kills"] = merge("stream-random-kills", [some, some])
    assert kept["stream-random-kills"].kills == 6
    assert what_is_left(chosen, kept, kills) == ([], {})


def test_a_report_of_other_code_does_not_go_on(tmp_path: Path) -> None:
    assert read_outcomes(tmp_path, "d2") == {}
    write(tmp_path, document([Outcome("a")], [], seed=7, code="d1"), {})
    with pytest.raises(InputError, match=r"drills.json is of other code .* start anew without --continue"):
        read_outcomes(tmp_path, "d2")


def test_a_choice_brings_what_it_is_compared_with() -> None:
    chosen = choose(["stream-s3-*", "stream-lost-commit"])
    assert [one.name for one in chosen] == ["stream-undisturbed", "stream-lost-commit", "stream-s3-500",
            "stream-s3-503", "stream-s3-slow", "stream-s3-reset"]  # fmt: skip
    assert choose(["*"]) == list(DRILLS)
    assert choose(["nothing"]) == []


def test_only_drills_that_leave_others_alone_are_tried_together() -> None:
    groups = in_groups(DRILLS)
    assert [one for group in groups for one in group] == list(DRILLS)
    assert [[one.name for one in group] for group in groups if len(group) > 1] == [
        ["run-random-kills", "stream-random-kills"]
    ]


def test_names_are_unique_and_fit_a_pipeline() -> None:
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names)
    assert all(len(name) < 60 and name.replace("-", "").isalnum() and name == name.lower() for name in names)


def test_every_point_that_is_reached_has_a_name_and_a_drill_of_each_kind() -> None:
    sources = [path.read_text(encoding="utf-8") for path in python_files("pipelines")]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if _is_reach(node)]
    reached = {ast.literal_eval(call.args[0]) for call in calls}
    assert reached == set(POINTS)
    drilled = {drill.name for drill in DRILLS}
    assert {f"{kind}-{point}" for kind in KINDS for point in reached} <= drilled


def _is_reach(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach"


@pytest.mark.parametrize(("lines", "code"), [(20, 0), (2, None)])
def test_a_job_that_says_something_is_waited_for_and_one_that_does_not_hangs(
    tmp_path: Path, lines: int, code: int | None
) -> None:
    """It ends after twenty waits, and says something in each of the first `lines`."""
    waits = iter(range(1, 21))

    class Saying(Job):
        def __init__(self) -> None:
            self.log = tmp_path / "job.log"
            self.log.touch()

        def wait(self, _timeout_s: float) -> int | None:
            if (number := next(waits)) <= lines:
                with self.log.open("a", encoding="utf-8") as log:
                    log.write("on\n")
            return 0 if number == 20 else None

    assert end_of(Saying()) == code
