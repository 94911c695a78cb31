"""`carillon status`, `pause`, `resume`, `cancel` on real servers; a run's traces are laid by hand, without Spark."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from conf import Settings
from console.status import duration
from pipelines.edges import publisher as publishing
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.heartbeat import DEAD_AFTER, Heartbeat
from pipelines.edges.pauses import CampaignPauses
from pipelines.errors import InputError
from schemas.tables import table
from tests.builders import HOUR, NOW, make_campaign
from tests.commands import carillon
from tests.traces import CLOCK, Traces


@pytest.fixture
def traces(settings: Settings) -> Iterator[Traces]:
    yield Traces(settings)
    publishing._alive.clear()


def test_a_run_from_its_beginning_to_its_end(traces: Traces) -> None:
    traces.begin(is_planned=False)
    with Heartbeat(traces.objects, traces.pipeline):
        found = traces.look()
        assert (found["state"], found["planned"], found["published"], found["remaining"]) == (
            "running", None, 0, None,
        )  # fmt: skip
        traces.begin()
        traces.mark(traces.pipeline, "run", 0, 0, 0)
        traces.mark(traces.pipeline, "run", 0, 0, 1)
        traces.mark(traces.pipeline, "run", 1, 0, 0)
        found = traces.look()
        assert [found[name] for name in ("state", "planned", "published", "remaining")] == [
            "running",
            40,
            25,
            15,
        ]
        assert found["rate"] > 0
        assert found["eta_s"] == pytest.approx(15 / found["rate"])
        traces.control.pause()
        found = traces.look()
        assert [found[name] for name in ("state", "wanted", "rate", "eta_s")] == [
            "paused",
            "pause",
            None,
            None,
        ]
        # A driver that was killed beats no more.
        found = traces.look(DEAD_AFTER + timedelta(seconds=5))
        assert (found["state"], found["wanted"], found["published"]) == ("unfinished", "pause", 25)
    assert traces.look()["state"] == "unfinished"
    traces.finish(f"{traces.pipeline}/run", 0, 25, state="cancelled")
    found = traces.look()
    assert [found[name] for name in ("state", "planned", "published", "remaining")] == [
        "cancelled",
        40,
        25,
        0,
    ]
    assert (found["excluded"], found["failed"]) == ({"no_consent": 2}, 1)


def test_the_newest_runs_and_the_streams(traces: Traces) -> None:
    traces.begin()
    # S3 tells when an object was written to the second.
    time.sleep(1.1)
    older, traces.run_id = traces.run, "r-2"
    traces.pipeline, newer = f"run-spring_letter-{traces.run_id}", "spring_letter/r-2"
    traces.begin()
    stream = f"stream-{uuid.uuid4().hex[:8]}"
    for epoch in range(23):
        traces.pin(f"{stream}/life-2", epoch, stream)
        if epoch < 22:
            traces.finish(f"{stream}/life-2", epoch, 3)
    traces.mark(stream, "life-1", 0, 40, 0)
    publishing._alive.clear()
    traces.mark(stream, "life-2", 0, 21, 0)
    names = traces.read(lambda reader, now: [one.run for one in reader.runs(5, now)])
    assert names == [newer, older]
    assert traces.read(lambda reader, now: [one.run for one in reader.runs(1, now)]) == [newer]
    (found,) = traces.read(lambda reader, now: reader.streams(now))
    assert (found.stream, found.state, found.epoch, found.clock) == (stream, "stopped", 22, CLOCK)
    assert (found.recent_epochs, found.recent_published) == (20, 57)
    # What waits is released by the stream's own driver, under a name of its own.
    traces.pin(f"{stream}-holds/holds", 0, f"{stream}-holds")
    traces.pin("other-holds/holds", 0, "other-holds")
    with Heartbeat(traces.objects, stream):
        states = traces.read(lambda reader, now: {one.stream: one.state for one in reader.streams(now)})
        assert states == {stream: "running", f"{stream}-holds": "running", "other-holds": "stopped"}


def test_the_commands(traces: Traces, environment: dict[str, str]) -> None:
    assert carillon(environment, "status") == ["no run has begun in this lake"]
    traces.begin()
    carillon(environment, "pause", traces.run)
    assert traces.control.wanted() == "pause"
    (line,) = carillon(environment, "status", traces.run, "--json")
    assert json.loads(line)["wanted"] == "pause"
    carillon(environment, "resume", traces.run)
    assert traces.control.wanted() == "run"
    titles, row = carillon(environment, "status")
    assert titles.split()[:5] == ["run", "state", "planned", "published", "remaining"]
    assert row.split()[:5] == [traces.run, "unfinished", "40", "0", "40"]
    carillon(environment, "cancel", traces.run)
    assert "(cancel wanted)" in carillon(environment, "status")[1]
    for command in ("pause", "resume"):
        with pytest.raises(InputError, match="was cancelled, which is final"):
            carillon(environment, command, traces.run)
    assert carillon(environment, "status", traces.run, "--watch")[-1].startswith(traces.run)
    traces.finish(f"{traces.pipeline}/run", 0, 40)
    for command in ("pause", "resume", "cancel"):
        with pytest.raises(InputError, match=r"has ended \(finished\)"):
            carillon(environment, command, traces.run)


def test_what_waited_when_a_run_ended_is_told_beside_what_still_waits(
    traces: Traces, environment: dict[str, str]
) -> None:
    traces.begin()
    traces.wait("m-1", "m-2", until=NOW + HOUR)
    found = traces.look()
    assert (found["held"], found["waiting"]) == (None, 2)
    assert "  2 until 2026-03-01T10:30:00" in carillon(environment, "status", traces.run)[1]
    # Three waited when it ended, and one of them was released: that is not among what the run itself has published.
    traces.finish(f"{traces.pipeline}/run", 0, 40, held=3)
    found = traces.look()
    assert [found[name] for name in ("planned", "published", "held", "waiting")] == [40, 40, 3, 2]
    carillon(environment, "pause", traces.run)
    row = carillon(environment, "status", traces.run)[1]
    assert "finished (pause wanted)" in row
    assert "  2 of 3 until 2026-03-01T10:30:00" in row
    carillon(environment, "cancel", traces.run)
    traces.tables.rewrite(table("holds"), lambda found: found.delete())
    row = carillon(environment, "status", traces.run)[1]
    assert "finished (cancel wanted)" in row
    assert "  0 of 3  " in row
    # Of a run that held nothing there was nothing to cancel.
    traces.finish(f"{traces.pipeline}/run", 0, 40)
    row = carillon(environment, "status", traces.run)[1]
    assert ("wanted" in row, " of " in row) == (False, False)


@pytest.mark.parametrize("name", ["spring_letter/r-9", "spring_letter", "", "spring_letter/"])
def test_a_run_that_nobody_began(traces: Traces, environment: dict[str, str], name: str) -> None:
    traces.begin()
    with pytest.raises(InputError, match=rf"no run '{name}' has begun in this lake\. Newest: {traces.run}\."):
        carillon(environment, "cancel", name)


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 59.4, 61, 3_725)] == ["0:00", "0:59", "1:01", "1:02:05"]


def test_campaigns_and_runs_that_are_paused(traces: Traces, environment: dict[str, str]) -> None:
    CampaignStore(traces.objects).publish(make_campaign())
    CampaignPauses(traces.objects).pause("letter", "9 of the last 10 messages failed", "abcdef0123456789")
    carillon(environment, "pause", "welcome")
    traces.begin()
    traces.control.blow("5 of the last 5 messages failed")
    assert carillon(environment, "status")[-3:] == [
        f"run {traces.run} is paused: its fuse has blown, 5 of the last 5 messages failed",
        "campaign letter (version abcdef012345) is paused: 9 of the last 10 messages failed",
        "campaign welcome is paused: by an operator",
    ]
    *_, line = carillon(environment, "status", "--json")
    assert json.loads(line) == {"paused_campaign": "welcome", "version": None, "why": "by an operator"}
    carillon(environment, "resume", "welcome")
    assert "welcome" not in CampaignPauses(traces.objects).all()
    traces.control.resume()
    traces.control.blow("once more")
    assert traces.control.wanted() == "run"
    with pytest.raises(
        InputError, match=r"no campaign 'welcom' is published in this lake\. Published: welcome\."
    ):
        carillon(environment, "pause", "welcom")
