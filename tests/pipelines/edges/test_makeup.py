"""Make-up runs on real servers: exactly those whom nobody acknowledged, asked again, with their old message ids."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from conf.house import Decide
from pipelines.campaigns.hours import NO_RULES
from pipelines.edges.makeup import make_up
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from tests.builders import audience_row, consent, scheduled_campaign
from tests.killed import killed_at
from tests.oracle.rules import held_out
from tests.pipelines.edges.workspace import Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3", "c-4", "c-5"))
    made.publish(scheduled_campaign(channels=["sms"]))
    return made


def sent_to(workspace: Workspace) -> dict[str, str]:
    """message_id by customer, of all messages on the topics."""
    return {m["customer_id"]: m["message_id"] for batch in workspace.batches() for m in batch["messages"]}


def acknowledge(workspace: Workspace, *message_ids: str) -> None:
    workspace.send(
        "delivery.events", *[{"message_id": one, "type": "accepted"} for one in message_ids], b"noise"
    )


def test_those_whom_nobody_acknowledged_are_asked_again_and_sent_to_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = workspace.run_id
    run_campaign(workspace.spark, workspace.settings, "letter", run_id)
    (version,) = {batch["campaign_version"] for batch in workspace.batches()}
    first = sent_to(workspace)
    acknowledge(workspace, first["c-1"])
    # Since then c-2 has withdrawn, c-3 is gone, the rule leaves c-5 out, and the campaign has changed.
    withdrawn = audience_row("c-2", consents=[consent("sms", "marketing", False)])
    workspace.promote([withdrawn, *people("c-1", "c-4", "c-5", "c-9")])
    workspace.publish(scheduled_campaign("customer_id <> 'c-5'", channels=["sms", "email"]))

    def die(*_: object) -> None:
        raise InputError("killed")

    with killed_at("pipelines.edges.manifests.ManifestStore.finish", InputError):
        again(workspace, run_id)
    # When the acknowledgements may be gone, silence says nothing: nobody is written to.
    for days, is_too_late in ((13.99, False), (14.01, True)):
        later = datetime.now(timezone.utc) + timedelta(days=days)
        with monkeypatch.context() as patch:
            patch.setattr("pipelines.edges.makeup.now", lambda later=later: later)
            patch.setattr("pipelines.edges.makeup.carry_out", die)
            with pytest.raises(
                InputError, match="keeps what senders say for 14 days" if is_too_late else "killed"
            ):
                again(workspace, run_id)
    # A sender that was only slow: what counts was pinned when the make-up run began.
    acknowledge(workspace, first["c-4"])
    result = again(workspace, run_id)
    counts = result["campaigns"]["letter"]["sms"]
    assert (counts["considered"], counts["sent"], counts["published"]) == (4, 2, 2)
    assert counts["excluded"] == {"no_consent": 1, "unknown_customer": 1}
    twice = {first["c-4"], first["c-5"]}
    assert workspace.messages() == Counter([*first.values(), *twice])
    assert {batch["campaign_version"] for batch in workspace.batches()} == {version}
    assert again(workspace, run_id) == {**result, "already_complete": True}
    # A make-up run can be made up for in turn: c-4 was acknowledged meanwhile. The rules of the house hold for it too.
    seed = next(str(n) for n in range(99) if held_out(str(n), "c-5", 50.0))
    third = again(workspace, f"{run_id}.make-up", Decide(holdout_percent=50.0, holdout_seed=seed))
    assert third["campaigns"]["letter"]["sms"]["excluded"] == {"house_holdout": 1}
    assert workspace.messages()[first["c-5"]] == 2


def again(workspace: Workspace, run_id: str, house: Decide = NO_RULES) -> dict[str, Any]:
    settings = workspace.settings.model_copy(update={"decide": house})
    return make_up(workspace.spark, settings, f"letter/{run_id}")


def test_a_run_that_has_not_ended_is_not_made_up_for(workspace: Workspace) -> None:
    run_id = workspace.run_id
    with pytest.raises(InputError, match=f"no run 'letter/{run_id}' has begun"):
        again(workspace, run_id)
    with killed_at("pipelines.units.UnitRunner.publish", InputError):
        run_campaign(workspace.spark, workspace.settings, "letter", run_id)
    with pytest.raises(InputError, match="has not ended"):
        again(workspace, run_id)
