"""Scheduled runs on real servers: once for each run id, resumed where they ended, refused when they make no sense."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.audience import NoAudienceError
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from pipelines.stories import decisive_value
from tests.builders import audience_row, consent, make_campaign, scheduled_campaign
from tests.killed import killed_at
from tests.pipelines.edges.workspace import RUN_IDS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")
LOYAL = "array_contains(segments, 'loyal')"


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    made = Workspace(spark, settings)
    others = [
        audience_row("c-3", segments=["new"]),
        audience_row("c-4", phone=None, consents=[consent("email", "marketing", False)]),
    ]
    made.promote([*people("c-1", "c-2"), *others])
    return made


def run(workspace: Workspace, campaign: str = "letter", run_id: str | None = None) -> dict[str, Any]:
    chosen = workspace.run_id if run_id is None else run_id
    return run_campaign(workspace.spark, workspace.settings, campaign, chosen)


def test_a_run_is_sent_once_whatever_changes_later(workspace: Workspace) -> None:
    rule = {"where": f"country = 'AT' AND {LOYAL}", "record_outside": True}
    workspace.publish(scheduled_campaign(audience=rule))
    first = run(workspace)
    sent = [
        ((workspace.run_id, "letter", who, channel, "decide", "sent", None))
        for who in ("c-1", "c-2")
        for channel in ("email", "sms")
    ]
    outside = [
        (workspace.run_id, "letter", "c-3", channel, "decide", "excluded", "outside_audience")
        for channel in ("email", "sms")
    ]
    expected = Counter(
        [
            *sent,
            *outside,
            (workspace.run_id, "letter", "c-4", "email", "decide", "excluded", "no_consent"),
            (workspace.run_id, "letter", "c-4", "sms", "decide", "excluded", "no_address"),
        ]
    )
    assert workspace.decisions() == expected
    empty = {"held": 0, "failed": {}}
    assert first["campaigns"] == {
        "letter": {
            channel: {
                "considered": 4,
                "sent": 2,
                "excluded": {reason: 1, "outside_audience": 1},
                "published": 2,
                **empty,
            }
            for channel, reason in (("email", "no_consent"), ("sms", "no_address"))
        }
    }
    (told,) = workspace.ledger().where("customer_id = 'c-3' AND channel = 'sms'").collect()
    assert decisive_value(told.asDict(recursive=True)) == LOYAL
    workspace.check()
    workspace.publish(scheduled_campaign("true", status="paused"))
    workspace.promote(people("c-9"))
    again = run(workspace)
    assert (first.pop("already_complete"), again.pop("already_complete")) == (False, True)
    assert again == first
    assert workspace.decisions() == expected
    # Another run id is another run: everybody again, by the rule and the snapshot of now.
    other = next(RUN_IDS)
    run(workspace, run_id=other)
    paused = [(other, "letter", "c-9", c, "decide", "excluded", "campaign_paused") for c in ("email", "sms")]
    assert workspace.decisions() == expected + Counter(paused)
    workspace.check()


def test_a_run_that_died_is_resumed_with_what_it_pinned(workspace: Workspace) -> None:
    (pinned,) = workspace.publish(scheduled_campaign(channels=["sms"]))
    with killed_at("pipelines.units.UnitRunner.publish", InputError):
        run(workspace)
    version = workspace.promote(people("c-9"))
    (changed,) = workspace.publish(make_campaign(campaign_id="letter"))  # not even scheduled any more
    lines: list[str] = []
    result = run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id, lines.append)
    assert result["changed_since"] == {
        "audience snapshot": {"pinned": version - 1, "now": version},
        "campaign version": {"pinned": pinned, "now": changed},
    }
    resumed = f"run letter/{workspace.run_id} is resumed with"
    assert lines[:2] == [
        f"{resumed} the audience snapshot it began with, {version - 1}; now: {version}",
        f"{resumed} the campaign version it began with, {pinned}; now: {changed}",
    ]
    assert result["campaigns"]["letter"]["sms"]["published"] == 3
    assert {batch["campaign_version"] for batch in workspace.batches()} == {pinned}
    workspace.check()


def test_a_run_that_was_begun_in_another_order_is_not_continued(workspace: Workspace) -> None:
    workspace.publish(scheduled_campaign(channels=["sms"]))
    run(workspace)
    (result,) = [item.name for item in workspace.objects.list("results/")]
    workspace.objects.delete(result)
    (manifest,) = [item.name for item in workspace.objects.list("manifests/")]
    pinned = workspace.objects.read_json(manifest)
    assert pinned is not None
    del pinned["publish_order"]  # as versions wrote it that knew one order
    workspace.objects.write_json(manifest, pinned)
    sent = workspace.batches()
    with pytest.raises(
        InputError, match="was begun by a version of Carillon that publishes in another order"
    ):
        run(workspace)
    assert workspace.batches() == sent


def test_a_run_that_died_after_publishing_publishes_nothing_again(workspace: Workspace) -> None:
    workspace.publish(scheduled_campaign(channels=["sms"]))
    first = run(workspace)
    (result,) = [item.name for item in workspace.objects.list("results/")]
    workspace.objects.delete(result)
    lines: list[str] = []
    second = run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id, lines.append)
    assert second == first
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id, lines.append)
    done = f"run letter/{workspace.run_id} is already complete (finished); another run id is another run"
    assert lines[-1] == done
    workspace.check()
    assert workspace.ledger().count() == 4


def test_runs_that_make_no_sense(workspace: Workspace) -> None:
    workspace.publish(scheduled_campaign(), make_campaign())
    for campaign, run_id, complaint in (
        ("lettre", "r-1", r"campaign 'lettre' is not published in this lake\. Published: letter, welcome\."),
        ("welcome", "r-1", r"campaign 'welcome' is triggered: it is sent by send_triggered"),
        ("letter", "r.make-up", r"start it with `carillon make-up letter/r`"),
        ("letter", "../r", r"run id '\.\./r' cannot be used"),
        ("letter", "", r"run id '' cannot be used"),
        ("letter", "r" * 101, r"cannot be used"),
        ("letter", "r-1\n", r"cannot be used"),
    ):
        with pytest.raises(InputError, match=complaint):
            run(workspace, campaign, run_id)
    assert workspace.objects.list("manifests/") == []


def test_a_broken_audience_rule_is_named_and_not_pinned(workspace: Workspace) -> None:
    workspace.publish(scheduled_campaign("shoe_size > 40"))
    with pytest.raises(InputError, match=r"campaign 'letter' audience\.where: .*shoe_size"):
        run(workspace)
    workspace.publish(scheduled_campaign("customer_id = 'c-1'", channels=["sms"]))
    assert run(workspace)["campaigns"]["letter"]["sms"]["sent"] == 1


def test_without_an_audience_nothing_is_pinned(spark: SparkSession, settings: Settings) -> None:
    bare = Workspace(spark, settings)
    bare.publish(scheduled_campaign())
    with pytest.raises(NoAudienceError):
        run(bare)
    assert bare.objects.list("manifests/") == []
