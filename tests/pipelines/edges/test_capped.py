"""Caps and re-entry over the epochs of a stream: counted in the ledger, in turns, once whatever dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines.decided import Decided
from pipelines.edges.ledger import LEDGER
from pipelines.edges.progress import FencedError
from pipelines.edges.terms import Term
from pipelines.edges.turns import APP_ID, FOLDER, Turns
from pipelines.identity import uuid5
from pipelines.recording import Recorder
from tests.builders import ledger_row, make_campaign, trigger
from tests.killed import killed_at
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """Three customers, and two campaigns of one category that sends one message a day, by SMS."""
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3"))
    rule = {"at_most": 1, "per": "1 day", "category": "news"}
    capped = {"category": "news", "frequency_caps": [rule], "channels": ["sms"]}
    made.publish(
        make_campaign(None, **capped, priority=10),
        make_campaign(None, **capped, campaign_id="alert", priority=90),
    )
    return made


def said(workspace: Workspace) -> Counter[tuple[Any, ...]]:
    columns = ("source_id", "decision", "reason")
    return Counter(tuple(row) for row in workspace.ledger().select(*columns).collect())


def test_one_message_a_day_the_most_important_one(workspace: Workspace) -> None:
    workspace.send(
        TRIGGERS,
        trigger("t-1"),
        trigger("t-2", campaign_id="alert"),
        trigger("t-3", customer_id="c-2"),
    )
    workspace.run()
    workspace.send(TRIGGERS, trigger("t-4", campaign_id="alert"), trigger("t-5", customer_id="c-3"))
    workspace.run()
    expected = Counter(
        [
            ("t-1", "excluded", "lost_to_priority"),
            ("t-2", "sent", None),
            ("t-3", "sent", None),
            ("t-4", "excluded", "frequency_capped"),
            ("t-5", "sent", None),
        ]
    )
    assert said(workspace) == expected
    workspace.forget_commit(1)
    for item in workspace.objects.list("results/"):
        workspace.objects.delete(item.name)
    workspace.run()
    assert said(workspace) == expected
    assert len(workspace.objects.list(FOLDER)) == 2
    workspace.check()


def test_a_driver_that_dies_in_its_turn_keeps_nobody_waiting(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", occurred_at="2026-03-01T09:05:00Z"))
    # As after kill -9: nothing is decided, and the turn is not released.
    with monkeypatch.context() as patch, killed_at("pipelines.recording.Recorder._decide"):
        patch.setattr("pipelines.edges.turns.Turns._release", lambda *_: None)
        workspace.run()
    workspace.run()
    assert said(workspace) == Counter([("t-1", "sent", None), ("t-2", "excluded", "lost_to_priority")])
    assert workspace.lake.last_appended(LEDGER, APP_ID) == 5
    workspace.check()


def test_a_driver_that_is_taken_over_in_its_turn_decides_anew(
    workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", occurred_at="2026-03-01T09:05:00Z"))
    decide, calls = Recorder._decide, []

    def slow(self: Recorder, *arguments: Any) -> Decided | DataFrame:
        calls.append(arguments)
        if len(calls) == 1:
            with Turns(workspace.objects, settings.stream.pipeline, "rival").take() as turn:
                assert turn.fence is not None
                workspace.lake.append_nothing(LEDGER, APP_ID, turn.fence)
        return decide(self, *arguments)

    monkeypatch.setattr("pipelines.recording.Recorder._decide", slow)
    workspace.run()
    assert len(calls) == 2
    assert said(workspace) == Counter([("t-1", "sent", None), ("t-2", "excluded", "lost_to_priority")])
    workspace.check()


def test_of_two_drivers_of_one_pipeline_the_older_does_not_take_its_turn_back(
    workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would take turns over from each other for ever, and nobody else would get one."""
    workspace.send(TRIGGERS, trigger("t-1"))
    decide, pipeline = Recorder._decide, settings.stream.pipeline
    calls: list[Any] = []

    def slow(self: Recorder, *arguments: Any) -> Decided | DataFrame:
        calls.append(arguments)
        Term(workspace.objects, pipeline, "the younger")
        with Turns(workspace.objects, pipeline, "the younger").take() as turn:
            assert turn.fence is not None
            workspace.lake.append_nothing(LEDGER, APP_ID, turn.fence)
        return decide(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.recording.Recorder._decide", slow)
        with pytest.raises(FencedError, match="taken over by a younger driver"):
            workspace.run()
    assert len(calls) == 1
    assert said(workspace) == Counter()
    workspace.run()
    assert said(workspace) == Counter([("t-1", "sent", None)])
    workspace.check()


def test_a_trigger_that_somebody_decides_while_it_waits_for_its_turn_is_a_repeat(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    take = Turns.take
    rows: list[Any] = []

    def wait(self: Turns) -> Any:
        if not rows:
            # Another life of the pipeline has decided about the same trigger, and is about to publish.
            ids = uuid5("welcome", "t-1", "c-1", "sms")
            rows.append(ledger_row(decision_id="d-other", message_id=ids, source_id="t-1", channel="sms"))
            workspace.lake.append_few(LEDGER, pa.Table.from_pylist(rows, LEDGER.arrow_schema()), "other", 0)
        return take(self)

    monkeypatch.setattr("pipelines.edges.turns.Turns.take", wait)
    workspace.run()
    assert said(workspace)["t-1", "excluded", "duplicate_trigger"] == 1
    assert workspace.messages().total() == 0


def test_what_was_decided_in_a_turn_is_published_though_the_checkpoint_is_gone(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    with killed_at("pipelines.units.UnitRunner.publish"):
        workspace.run()
    for item in workspace.objects.list("checkpoints/"):
        workspace.objects.delete(item.name)
    finished, again = workspace.run()
    assert finished["campaigns"]["welcome"]["sms"]["published"] == 2
    assert again["campaigns"]["welcome"]["sms"]["excluded"] == {"duplicate_trigger": 2}
    assert workspace.messages().total() == 2


def test_a_message_once_per_property(workspace: Workspace) -> None:
    once = {"explicit": True, "reentry": {"once_per": "plan"}}
    workspace.publish(make_campaign(None, channels=["sms"], trigger=once, frequency_caps=[]))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", occurred_at="2026-03-01T09:05:00Z"))
    workspace.run()
    workspace.send(TRIGGERS, trigger("t-3"), trigger("t-4", data={"plan": "other"}))
    workspace.run()
    assert said(workspace) == Counter(
        [
            ("t-1", "sent", None),
            ("t-2", "excluded", "reentry"),
            ("t-3", "excluded", "reentry"),
            ("t-4", "sent", None),
        ]
    )
    workspace.check()
