"""What runs hold, on a real broker and S3 endpoint: in their version, until they are paused, cancelled or blown."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from conf.house import Decide
from pipelines.edges.control import RunControl
from pipelines.edges.makeup import make_up
from pipelines.edges.pauses import CampaignPauses
from pipelines.edges.releasing import HoldReleaser
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from tests.builders import scheduled_campaign
from tests.commands import carillon
from tests.pipelines.edges.workspace import Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3", "c-4"))
    return made


def rated(**changes: Any) -> Any:
    return scheduled_campaign(channels=["sms"], **{"rate": {"per_minute": 1}, **changes})


def line_of(environment: dict[str, str], run: str) -> dict[str, Any]:
    (line,) = carillon(environment, "status", run, "--json")
    found: dict[str, Any] = json.loads(line)
    return found


def test_what_a_run_holds_the_stream_releases_until_the_run_is_paused_or_cancelled(
    workspace: Workspace, settings: Settings, environment: dict[str, str], at: Any
) -> None:
    workspace.publish(rated())
    result = run_campaign(workspace.spark, settings, "letter", "1")
    line = result["campaigns"]["letter"]["sms"]
    assert (line["considered"], line["sent"], line["held"]) == (4, 1, 3)
    clock = datetime.fromisoformat(result["clock"])
    at(clock + timedelta(seconds=61))
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["published"] == 1
    # The run has ended, and two of its messages wait.
    found = line_of(environment, "letter/1")
    assert [found[name] for name in ("state", "published", "waiting")] == ["finished", 1, 2]
    assert datetime.fromisoformat(found["waits_until"]) == clock + timedelta(minutes=3)
    assert "2 of its messages that wait" in carillon(environment, "pause", "letter/1")[0]
    assert "finished (pause wanted)" in carillon(environment, "status", "letter/1")[1]
    at(clock + timedelta(seconds=121))
    assert workspace.releases() == []
    carillon(environment, "resume", "letter/1")
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["published"] == 1
    told = carillon(environment, "cancel", "letter/1")
    assert told[-1] == "what waits is recorded as cancelled when it falls due"
    at(clock + timedelta(minutes=9))
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["excluded"] == {"cancelled": 1}
    assert line_of(environment, "letter/1")["waiting"] == 0
    with pytest.raises(InputError, match=r"has ended \(finished\) and nothing of it waits"):
        carillon(environment, "cancel", "letter/1")
    workspace.check()


def test_a_stream_that_runs_on_sees_that_a_run_is_paused_and_resumed(
    workspace: Workspace, settings: Settings
) -> None:
    workspace.publish(rated())
    clock = datetime.fromisoformat(run_campaign(workspace.spark, settings, "letter", "1")["clock"])
    control = RunControl(workspace.objects, "run-letter-1")
    control.pause()
    runner = cast(Any, None)
    releaser = HoldReleaser(workspace.lake, workspace.objects, settings, lambda *_: runner)
    due = clock + timedelta(seconds=61)
    # Nothing is due, in whatever second it looks; as soon as the run goes on, something is.
    assert not any(releaser.is_due(due + timedelta(seconds=n)) for n in (0, 1, 59, 60, 130))
    control.resume()
    assert releaser.is_due(due + timedelta(seconds=131))


def test_what_a_make_up_run_holds_is_its_own(
    workspace: Workspace, settings: Settings, environment: dict[str, str], at: Any
) -> None:
    """Its messages are those of the run that it makes up for, its wait is not."""
    workspace.publish(rated(rate={"per_minute": 2}))
    begun = run_campaign(workspace.spark, settings, "letter", "1")
    at(datetime.fromisoformat(begun["clock"]) + timedelta(minutes=2))
    assert [one["campaigns"]["letter"]["sms"]["sent"] for one in workspace.releases()] == [2]
    again = make_up(workspace.spark, settings, "letter/1")
    line = again["campaigns"]["letter"]["sms"]
    assert line["held"] == 4 - line["sent"] > 0
    assert line_of(environment, "letter/1")["waiting"] == 0
    assert line_of(environment, "letter/1.make-up")["waiting"] == line["held"]
    # It waits once more, and is the make-up's still.
    noon = datetime.fromisoformat(again["clock"]).replace(hour=12) + timedelta(days=1)
    quiet = Decide(quiet_from="00:00", quiet_to="23:59")
    workspace.settings = settings.model_copy(update={"decide": quiet})
    at(noon)
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["held"] == line["held"]
    assert line_of(environment, "letter/1.make-up")["waiting"] == line["held"]
    carillon(environment, "cancel", "letter/1.make-up")
    at(noon + timedelta(days=1))
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["excluded"] == {"cancelled": line["held"]}


def test_what_a_run_holds_is_sent_in_the_version_that_it_began_with(
    workspace: Workspace, settings: Settings, at: Any
) -> None:
    (first,) = workspace.publish(rated(templates={"sms/text.en.txt.j2": "the first issue"}))
    clock = datetime.fromisoformat(run_campaign(workspace.spark, settings, "letter", "1")["clock"])
    second = rated(templates={"sms/text.en.txt.j2": "the second issue"}, rate=None)
    workspace.publish(second)
    run_campaign(workspace.spark, settings, "letter", "2")
    # The rules are those of the first version, too: three messages at one a minute.
    for minute in (9, 10, 11):
        at(clock + timedelta(minutes=minute, seconds=1))
        (released,) = workspace.releases()
        assert released["campaigns"]["letter"]["sms"]["sent"] == 1
    texts = Counter(
        (batch["campaign_version"] == first, message["text"])
        for batch in workspace.batches()
        for message in batch["messages"]
    )
    assert texts == {(True, "the first issue"): 4, (False, "the second issue"): 4}
    workspace.check()


def test_of_a_paused_campaign_what_runs_hold_waits(workspace: Workspace, settings: Settings, at: Any) -> None:
    (version,) = workspace.publish(rated())
    clock = datetime.fromisoformat(run_campaign(workspace.spark, settings, "letter", "1")["clock"])
    pauses = CampaignPauses(workspace.objects)
    at(clock + timedelta(seconds=61))
    for paused in (None, version):
        pauses.pause("letter", "by an operator", paused)
        assert workspace.releases() == []
        pauses.resume("letter")
    workspace.publish(rated(status="paused"))
    assert workspace.releases() == []
    workspace.publish(rated())
    # Another version's fuse is not about this run.
    pauses.pause("letter", "a fuse", "another")
    (released,) = workspace.releases()
    assert released["campaigns"]["letter"]["sms"]["sent"] == 1


def test_a_fuse_that_blows_in_a_release_pauses_the_run_that_held(
    workspace: Workspace, settings: Settings, at: Any
) -> None:
    text = "{{ nothing.at_all if customer.customer_id != 'c-9' else 'hello' }}"
    fuse = {"percent": 50, "messages": 1}
    workspace.publish(scheduled_campaign(channels=["sms"], templates={"sms/text.en.txt.j2": text}, fuse=fuse))
    at_night = settings.model_copy(update={"decide": Decide(quiet_from="00:00", quiet_to="23:59")})
    result = run_campaign(workspace.spark, at_night, "letter", "1")
    assert result["campaigns"]["letter"]["sms"]["held"] == 4
    at(datetime.fromisoformat(result["clock"]) + timedelta(days=2))
    # One message each: the first one blows it.
    (released,) = workspace.releases(max_offsets_per_epoch=1)
    assert released["campaigns"]["letter"]["sms"]["failed"] == {"render_undefined": 1}
    assert "letter" in released["fuses"]
    assert CampaignPauses(workspace.objects).all() == {}
    control = RunControl(workspace.objects, "run-letter-1")
    assert control.wanted() == "pause"
    control.resume()
    # Who resumes it has seen why, and wants the others tried.
    lines = [one["campaigns"]["letter"]["sms"] for one in workspace.releases(max_offsets_per_epoch=1)]
    assert [line["failed"] for line in lines] == [{"render_undefined": 1}] * 3
    assert control.wanted() == "run"
