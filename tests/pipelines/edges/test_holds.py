"""Holds on a real broker and S3 endpoint: kept, cancelled, released on time without input, and once whatever dies."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.control import RunControl
from pipelines.edges.scheduled import run_campaign
from pipelines.edges.stream import TriggeredStream
from pipelines.edges.tables import Tables
from pipelines.edges.waiting import Waiting, waiting_by_run
from schemas.tables import table
from tests.builders import NOW, consent_event, event, event_campaign, scheduled_campaign
from tests.killed import killed_at
from tests.pipelines.edges.workspace import EVENTS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")

DAY = timedelta(days=1)
RULE: dict[str, Any] = {
    "event": "order.delivered",
    "delay": "2 days",
    "cancel_on": [{"event": "order.refunded", "match": "order_id"}],
}


REFUSES = {"channel": "sms", "topic": "reminders", "granted": False}


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """Four customers, and a campaign two days after a delivery, unless the order is refunded."""
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3", "c-4"))
    data = {"order_id": "string", "total": "double"}
    made.publish(event_campaign(None, trigger=RULE, data=data, channels=["sms"]))
    return made


def delivered(customer: str, **changes: Any) -> dict[str, Any]:
    return event(
        f"e-{customer}",
        customer_id=customer,
        properties={"order_id": f"o-{customer}"},
        occurred_at=NOW.isoformat(),
        **changes,
    )


def said(workspace: Workspace, pipeline: str) -> Counter[tuple[Any, ...]]:
    rows = workspace.ledger().where(f"pipeline = '{pipeline}'")
    return Counter(tuple(row) for row in rows.select("customer_id", "decision", "reason").collect())


def test_a_message_waits_and_is_decided_again_when_it_is_due(workspace: Workspace, at: Any) -> None:
    at(NOW)
    workspace.send(EVENTS, *[delivered(f"c-{n}") for n in range(1, 5)], delivered("c-1"))
    (first,) = workspace.run()
    line = first["campaigns"]["delivered"]["sms"]
    assert (line["considered"], line["held"], line["excluded"]) == (5, 4, {"duplicate_trigger": 1})
    assert workspace.run() == []
    at(NOW + DAY)
    refund = {"type": "order.refunded", "occurred_at": (NOW + DAY).isoformat()}
    workspace.send(
        EVENTS,
        event("r-1", customer_id="c-2", properties={"order_id": "o-c-2"}, **refund),
        event("r-2", customer_id="c-1", properties={"order_id": "another"}, **refund),
        consent_event("k-1", customer_id="c-3", occurred_at="2026-03-02T09:00:00Z", properties=REFUSES),
        event("x-1", customer_id="c-4", type="customer.erased", properties={}, occurred_at=NOW.isoformat()),
    )
    workspace.run()
    # The refund and the erasure have ended the wait at once, in their own epoch.
    assert said(workspace, "triggered") == Counter(
        {
            **{(f"c-{n}", "held", "held_delay"): 1 for n in range(1, 5)},
            ("c-1", "excluded", "duplicate_trigger"): 1,
            ("c-2", "excluded", "cancelled"): 1,
            ("c-4", "excluded", "suppressed"): 1,
        }
    )
    at(NOW + 2 * DAY - timedelta(seconds=1))
    assert workspace.run() == []
    at(NOW + 2 * DAY)
    (released,) = workspace.run()
    assert (released["pipeline"], released["unit"]) == ("triggered-holds", 0)
    assert said(workspace, "triggered-holds") == Counter(
        {("c-1", "sent", None): 1, ("c-3", "excluded", "no_consent"): 1}
    )
    at(NOW + 9 * DAY)
    assert workspace.run() == []
    assert workspace.messages().total() == 1
    workspace.check()
    assert workspace.rows("holds").count() == 8
    # The first release of another day leaves nothing of what is done.
    at(NOW + 20 * DAY)
    workspace.send(
        EVENTS, delivered("c-2") | {"event_id": "e-9", "occurred_at": (NOW + 19 * DAY).isoformat()}
    )
    workspace.run()
    at(NOW + 22 * DAY)
    workspace.run()
    left = workspace.rows("holds").select("source_id", "state").collect()
    assert Counter((row.source_id, row.state) for row in left) == {("e-9", "open"): 1, (None, "closed"): 1}
    workspace.check()


def test_an_event_that_arrives_before_its_trigger_cancels_it(workspace: Workspace, at: Any) -> None:
    at(NOW + DAY)
    later = (NOW + timedelta(hours=1)).isoformat()
    workspace.send(
        EVENTS,
        event("r-1", customer_id="c-1", type="order.refunded", properties={"order_id": "o-c-1"}, occurred_at=later),
    )  # fmt: skip
    workspace.run()
    workspace.send(EVENTS, delivered("c-1"))
    workspace.run()
    assert said(workspace, "triggered") == Counter({("c-1", "excluded", "cancelled"): 1})


def test_what_arrived_while_the_stream_was_down_counts_before_anything_is_released(
    workspace: Workspace, at: Any
) -> None:
    at(NOW)
    workspace.send(EVENTS, *[delivered(f"c-{n}") for n in range(1, 4)])
    workspace.run()
    refund = {"type": "order.refunded", "occurred_at": (NOW + DAY).isoformat()}
    workspace.send(
        EVENTS,
        consent_event("k-1", customer_id="c-3", occurred_at="2026-03-02T09:00:00Z", properties=REFUSES),
        *[delivered("c-9", schema_version=1) | {"event_id": f"e-9-{n}"} for n in range(20)],
        event("r-1", customer_id="c-2", properties={"order_id": "o-c-2"}, **refund),
    )
    at(NOW + 3 * DAY)
    # In epochs of a few records, so that there is time between them.
    workspace.run(max_offsets_per_epoch=4)
    assert said(workspace, "triggered-holds") == Counter(
        {("c-1", "sent", None): 1, ("c-3", "excluded", "no_consent"): 1}
    )


#: In the order in which a release comes to them.
STEPS_OF_A_RELEASE = (
    "pipelines.edges.lake.DeltaLake.append_few",
    "pipelines.recording.Recorder.open_holds",
    "pipelines.units.UnitRunner.publish",
    "pipelines.edges.manifests.ManifestStore.finish",
)


def test_a_release_that_dies_at_each_step_is_finished_by_the_next_driver(
    workspace: Workspace, at: Any
) -> None:
    at(NOW)
    workspace.send(EVENTS, delivered("c-1"), delivered("c-2"))
    workspace.run()
    at(NOW + 3 * DAY)
    for step in STEPS_OF_A_RELEASE:
        with killed_at(step):
            workspace.run()
    at(NOW + 4 * DAY)
    (released,) = workspace.run()
    assert released["unit"] == 0
    assert workspace.run() == []
    assert said(workspace, "triggered-holds") == Counter({("c-1", "sent", None): 1, ("c-2", "sent", None): 1})
    workspace.check()


def test_holds_are_released_while_nothing_arrives(workspace: Workspace, settings: Settings) -> None:
    rule = {"event": "order.delivered", "delay": "4 seconds"}
    workspace.publish(event_campaign(None, trigger=rule, data={"order_id": "string"}, channels=["sms"]))
    stopping = threading.Event()
    reports: list[dict[str, Any]] = []
    stream = TriggeredStream(workspace.spark, settings, reports.append)
    running = threading.Thread(target=stream.run, args=(False, stopping))
    running.start()
    try:
        # From the future: the delay counts from when it arrives.
        workspace.send(EVENTS, delivered("c-1") | {"occurred_at": "2099-01-01T00:00:00Z"})
        ends = time.monotonic() + 120
        while len(reports) < 2 and time.monotonic() < ends and running.is_alive():
            time.sleep(0.2)
    finally:
        stopping.set()
        running.join()
    assert [report["pipeline"] for report in reports] == ["triggered", "triggered-holds"]
    workspace.check()
    assert workspace.messages().total() == 1


def test_of_two_runs_at_once_the_second_takes_its_places_behind_the_first(
    workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.publish(scheduled_campaign(channels=["sms"], rate={"per_minute": 2}))
    begun: list[str] = []

    def overtake(point: str) -> None:
        # The second run has pinned all that it pins when the first one decides.
        if point == "after-consents" and not begun:
            begun.append(point)
            run_campaign(workspace.spark, settings, "letter", "first")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.recording.reach", overtake)
        run_campaign(workspace.spark, settings, "letter", "second")
    rows = (
        workspace.ledger().where("decision IN ('sent', 'held')").select("source_id", "decided_at", "due_at")
    )
    turns = sorted((row.due_at or row.decided_at, row.source_id) for row in rows.collect())
    assert [run for _, run in turns] == ["first"] * 4 + ["second"] * 4
    # In no minute there are more than two.
    assert all(
        (after[0] - one[0]).total_seconds() >= 60 for one, after in zip(turns, turns[2:], strict=False)
    )
    free_at = workspace.objects.read_json("rates/letter.json")
    # Whoever starts a run again writes down how far it got, and takes nothing back.
    workspace.objects.delete("results/run-letter-first/run/000000000000.json")
    run_campaign(workspace.spark, settings, "letter", "first")
    assert workspace.objects.read_json("rates/letter.json") == free_at
    workspace.check()


def test_holds_of_an_older_version_are_gone_on_with(
    workspace: Workspace, settings: Settings, at: Any
) -> None:
    declared = table("holds")
    later = {"reason", "run"}
    older = pa.schema([field for field in declared.arrow_schema() if field.name not in later])
    where, options = settings.lake.delta_uri("holds"), settings.lake.object_store()
    due = NOW + DAY
    of_run = {
        **{
            "hold_id": "h-1",
            "state": "open",
            "owner": "triggered-holds",
            "due_at": due,
            "due_date": due.date(),
        },
        **{"message_id": "m-1", "source": "run", "source_id": "1", "campaign_id": "letter", "channel": "sms"},
        **{"customer_id": "c-2", "occurred_at": NOW, "held_at": NOW},
    }
    held = pa.Table.from_pylist([of_run], older)
    write_deltalake(where, held, partition_by=list(declared.partition_by), storage_options=options)
    assert waiting_by_run(Tables(settings.lake)) == {"run-letter-1": Waiting(1, due)}
    workspace.publish(scheduled_campaign(channels=["sms"]))
    RunControl(workspace.objects, "run-letter-1").cancel()
    workspace.send(EVENTS, delivered("c-1"))
    at(NOW)
    workspace.run()
    at(NOW + 2 * DAY)
    (released,) = workspace.releases()
    assert released["campaigns"]["delivered"]["sms"]["sent"] == 1
    assert released["campaigns"]["letter"]["sms"]["excluded"] == {"cancelled": 1}


def test_what_waited_for_the_end_of_quiet_hours_keeps_to_the_rate(
    workspace: Workspace, settings: Settings, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = {"from": "22:00", "to": "08:00"}
    workspace.publish(scheduled_campaign(channels=["sms"], rate={"per_minute": 1}, quiet_hours=quiet))
    monkeypatch.setattr(
        "pipelines.edges.scheduled.now", lambda: datetime(2026, 3, 2, 23, tzinfo=timezone.utc)
    )
    line = run_campaign(workspace.spark, settings, "letter", "1")["campaigns"]["letter"]["sms"]
    assert (line["considered"], line["held"]) == (4, 4)
    (row,) = workspace.ledger().select("reason", "due_at").distinct().collect()
    assert row.reason == "held_quiet_hours"
    morning = row.due_at.astimezone(timezone.utc)
    at(morning)
    # Releases of two each, as there are of twenty thousand when there are more.
    lines = [one["campaigns"]["letter"]["sms"] for one in workspace.releases(max_offsets_per_epoch=2)]
    assert [(one["sent"], one["held"]) for one in lines] == [(1, 1), (0, 2)]
    held = workspace.ledger().where("reason = 'held_rate'").select("due_at").collect()
    assert sorted((row.due_at.astimezone(timezone.utc) - morning).total_seconds() for row in held) == [
        60.0,
        120.0,
        180.0,
    ]
    for minute in (1, 2, 3):
        at(morning + timedelta(minutes=minute, seconds=1))
        (released,) = workspace.releases()
        assert released["campaigns"]["letter"]["sms"]["sent"] == 1
    workspace.check()
