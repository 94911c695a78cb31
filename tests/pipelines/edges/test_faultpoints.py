"""A fault happens at its point, at its time and once; without one nothing happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.edges.faultpoints import ACTIONS, POINTS, parse, parse_jump, reach

REACH = """
import sys
from pipelines.edges.faultpoints import reach
for number in range(3):
    reach(sys.argv[1])
    print(number, flush=True)
"""


def pass_three_times(point: str, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", REACH, point], env={**os.environ, **variables}, capture_output=True, text=True
    )
    return done.returncode, done.stdout


def test_without_a_fault_every_point_is_passed() -> None:
    for point in POINTS:
        reach(point)


@pytest.mark.parametrize(
    ("fault", "passed"),
    [("after-ledger:kill:1", ""), ("after-ledger:kill:3", "0\n1\n"), ("mid-publish:kill:2", "0\n")],
)
def test_the_process_dies_at_the_nth_time(fault: str, passed: str) -> None:
    assert pass_three_times(fault.partition(":")[0], CARILLON_FAULT=fault) == (-signal.SIGKILL, passed)


def test_other_points_are_passed() -> None:
    assert pass_three_times("after-result", CARILLON_FAULT="after-ledger:kill:1") == (0, "0\n1\n2\n")


def test_only_the_first_process_that_leaves_the_mark_dies(tmp_path: Path) -> None:
    variables = {"CARILLON_FAULT": "after-commit:kill:1", "CARILLON_FAULT_MARK": str(tmp_path / "mark")}
    assert pass_three_times("after-commit", **variables)[0] == -signal.SIGKILL
    assert (tmp_path / "mark").exists()
    assert pass_three_times("after-commit", **variables) == (0, "0\n1\n2\n")


@pytest.mark.parametrize("seconds", [0, 7_200, -86_400])
def test_the_clock_is_off_by_what_is_asked_for(seconds: int) -> None:
    said = "from pipelines.edges.faultpoints import now; print(now().timestamp())"
    variables = {"CARILLON_FAULT_CLOCK": str(seconds)} if seconds else {}
    before = time.time()
    done = subprocess.run(
        [sys.executable, "-c", said],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert before <= float(done.stdout) - seconds <= time.time()


def test_a_clock_that_is_off_by_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="CARILLON_FAULT_CLOCK is '2h'; allowed are whole seconds"):
        parse_jump("2h")


def test_a_fault_is_read_as_it_is_written() -> None:
    assert parse("mid-publish:freeze:12") == ("mid-publish", "freeze", 12)


@pytest.mark.parametrize(
    "text", ["x", "after-ledger", "nowhere:kill:1", "after-ledger:stab:1", "after-ledger:kill:x"]
)
def test_a_fault_that_cannot_happen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="point:action:nth") as refused:
        parse(text)
    assert all(name in str(refused.value) for name in (*POINTS, *ACTIONS, text))
