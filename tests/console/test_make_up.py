"""Which runs can be made up for: asked before Spark is started. The runs' traces are laid by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from conf import Settings
from pipelines.edges.makeup import make_up
from pipelines.errors import InputError
from tests.builders import HOUR, NOW
from tests.commands import carillon
from tests.traces import Traces


@pytest.fixture
def traces(settings: Settings) -> Traces:
    """A run that has ended."""
    made = Traces(settings)
    made.begin()
    made.finish(f"{made.pipeline}/run", 0, 40, held=3)
    return made


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The jobs that were submitted."""
    jobs: list[Any] = []

    def submit(command: Any, **_: Any) -> subprocess.CompletedProcess[bytes]:
        jobs.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", submit)
    return jobs


def ways(traces: Traces, environment: dict[str, str]) -> list[Callable[[], Any]]:
    """The command, and the job that it submits."""
    return [
        lambda: carillon(environment, "make-up", traces.run),
        lambda: make_up(cast(Any, None), traces.settings, traces.run),
    ]


def test_while_messages_of_a_run_wait_it_is_not_made_up_for(
    traces: Traces, environment: dict[str, str], started: list[Any]
) -> None:
    traces.wait("m-1", until=NOW + HOUR)
    traces.wait("m-2", until=NOW + timedelta(days=1))
    expected = (
        rf"run '{traces.run}' has ended and 2 of its messages wait, until 2026-03-02T09:30:00: .* `carillon "
        rf"cancel {traces.run}`"
    )
    for way in ways(traces, environment):
        with pytest.raises(InputError, match=expected):
            way()
    assert started == []
    # Nothing is pinned: what senders say meanwhile counts, when it begins.
    assert traces.objects.list("acknowledgements/") == []
    # Of a cancelled run nothing more is sent, though what waits is recorded only when it falls due.
    traces.control.cancel()
    carillon(environment, "make-up", traces.run)
    assert len(started) == 1


def test_a_make_up_that_was_begun_goes_on(
    traces: Traces, environment: dict[str, str], started: list[Any]
) -> None:
    traces.wait("m-1", until=NOW + HOUR)
    traces.pin(f"{traces.pipeline}.make-up/run", 0, f"{traces.pipeline}.make-up")
    carillon(environment, "make-up", traces.run)
    assert len(started) == 1


def test_a_run_that_has_not_ended_starts_no_spark(
    traces: Traces, environment: dict[str, str], started: list[Any]
) -> None:
    traces.objects.delete(f"results/{traces.pipeline}/run/{0:012d}.json")
    for way in ways(traces, environment):
        with pytest.raises(InputError, match="has not ended"):
            way()
    assert started == []
