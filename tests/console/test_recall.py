"""What a recall says of runs that are not over, on traces laid by hand, without Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conf import Settings
from pipelines.edges import publisher as publishing
from pipelines.edges.campaign_store import CampaignStore
from tests.builders import HOUR, NOW, scheduled_campaign
from tests.commands import carillon
from tests.traces import Traces


@pytest.fixture
def traces(settings: Settings) -> Traces:
    """A run of a campaign that is published: it has decided to send two messages, and one waits."""
    made = Traces(settings)
    campaign = scheduled_campaign(campaign_id="spring_letter", channels=["sms"])
    made.version = CampaignStore(made.objects).publish(campaign)
    made.begin()
    of_stream = {"pipeline": "triggered-holds", "channel": "email", "source_id": "earlier"}
    made.decide(made.decision("m-1"), made.decision("m-2"), made.decision("m-3", **of_stream))
    made.wait("m-4", until=NOW + HOUR)
    return made


def test_what_runs_have_not_published_yet_is_told(
    traces: Traces, environment: dict[str, str], tmp_path: Path
) -> None:
    version, run, out = traces.version, traces.run, tmp_path / "who.jsonl"
    traces.mark(traces.pipeline, "run", 0, 0, 1)
    publishing._alive.clear()
    # A run of another version has nothing to do with it.
    other = f"{traces.pipeline}-other"
    traces.version = "another version"
    traces.pin(f"{other}/run", 0, other)
    ask = ("recall", "--campaign", "spring_letter", "--content-version", version)
    waits = f"run {run}: 1 messages wait, until 2026-03-01T10:30:00; each is "
    assert carillon(environment, *ask, "--dry-run", "--out", str(out)) == [
        f"{version}  email: 1 messages sent",
        f"{version}  sms: 2 messages decided to be sent",
        "3 messages of 1 versions",
        f"run {run} has not ended (unfinished): 20 of 40 messages published so far; `carillon cancel {run}` stops it",
        f"{waits}rendered in the version that its run began with, when it is due; `carillon cancel {run}` stops them",
    ]
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    told = {row["message_id"]: row["is_under_way"] for row in rows}
    assert told == {"m-1": True, "m-2": True, "m-3": False}
    carillon(environment, "cancel", run)
    assert carillon(environment, *ask, "--dry-run")[-2].endswith("published so far; it is to be cancelled")
    traces.finish(f"{traces.pipeline}/run", 0, 40, held=1)
    lines = carillon(environment, *ask)
    assert lines[1:3] == [f"{version}  sms: 2 messages sent", "3 messages of 1 versions"]
    assert lines[-1] == f"{waits}recorded as cancelled when it is due"


def test_a_run_that_has_only_begun_is_told(traces: Traces, environment: dict[str, str]) -> None:
    late = f"{traces.pipeline}-late"
    traces.pin(f"{late}/run", 0, late)
    ask = ("recall", "--campaign", "spring_letter", "--content-version", traces.version, "--dry-run")
    (line,) = [one for one in carillon(environment, *ask) if one.startswith(f"run {traces.run}-late")]
    assert "(unfinished): it still decides, and has published nothing" in line
