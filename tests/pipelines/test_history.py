"""What was sent before: what counts, how far back is looked, and what is joined."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from conf import Settings
from conf.house import Decide, HouseCap
from pipelines.edges.lake import DeltaLake
from pipelines.edges.sent import SentMessages
from pipelines.edges.tables import Tables
from pipelines.history import CAPPED_FROM, SENT_COLUMNS, asked_by, attach_past, sent_before
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    NOW,
    Row,
    arrow,
    candidate_row,
    event_campaign,
    ledger_row,
    make_campaign,
)

DAY = timedelta(days=1)
LEDGER = table("ledger")


def decided(days_ago: float, **changes: Any) -> Row:
    at = NOW - days_ago * DAY
    return ledger_row(decided_at=at, decided_date=at.date(), **changes)


def test_what_campaigns_ask() -> None:
    plain = make_campaign()
    assert not asked_by([plain], Decide()).is_anything
    weekly = Decide(frequency_caps=(HouseCap(at_most=1, per="week"), HouseCap(at_most=9, per="3 days")))
    assert asked_by([plain], weekly).caps == 8 * DAY
    assert not asked_by([make_campaign(None, topic="transactional")], weekly).is_anything
    once = event_campaign(None, trigger={"event": "order.delivered", "reentry": "once"})
    asked = asked_by([plain, once], Decide())
    assert (asked.reentry, asked.reentry_span, asked.is_anything) == (frozenset({"delivered"}), None, True)
    spaced = event_campaign(None, trigger={"event": "order.delivered", "reentry": {"once_per": "7 days"}})
    assert asked_by([spaced], Decide()).reentry_span == 7 * DAY


def test_only_what_was_sent_counts_for_few_and_for_many(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), SentMessages(Tables(settings.lake))
    rows = [
        decided(1, decision_id="d-1", message_id="m-1", data='{"o":1}'),
        decided(1, decision_id="d-2", message_id="m-2", decision="excluded", reason="no_consent"),
        decided(1, decision_id="d-3", message_id="m-3", decision="held", reason="held_delay"),
        decided(1, decision_id="d-4", message_id="m-4"),
        decided(2, decision_id="d-5", message_id="m-5", customer_id="c-2"),
        decided(9, decision_id="d-6", message_id="m-6"),
    ]
    correction = rows[3] | {"stage": "render", "decision": "failed", "reason": "render_error"}
    for unit, file in enumerate((rows[:4], rows[4:], [correction])):
        lake.append_few(LEDGER, pa.Table.from_pylist(file, LEDGER.arrow_schema()), "test", unit)
    few = memory.of(pa.array(["c-1", "c-2", None]), NOW - 2 * DAY, NOW)
    assert few.column_names == list(SENT_COLUMNS)
    assert sorted(few["message_id"].to_pylist()) == ["m-1", "m-5"]
    ledger = pa.Table.from_pylist([*rows, correction], LEDGER.arrow_schema())
    assert [sorted(one["message_id"] for one in found) for found in many(["c-1", "c-2"], ledger)] == [
        ["m-1", "m-6"],
        ["m-5"],
    ]
    assert memory.of(pa.array(["c-2"]), NOW - 2 * DAY, NOW)["message_id"].to_pylist() == ["m-5"]
    assert sorted(memory.of(pa.array(["c-1"]), None, NOW)["message_id"].to_pylist()) == ["m-1", "m-6"]


def test_a_message_that_a_make_up_run_sent_again_counts_once() -> None:
    twice = [decided(days, decision_id=f"d-{days}", message_id="m-1") for days in (3, 1)]
    (found,) = many(["c-1"], pa.Table.from_pylist(twice, LEDGER.arrow_schema()))
    assert [(one["message_id"], one["at"]) for one in found] == [("m-1", NOW - DAY)]


def test_the_files_of_runs_are_read_only_as_far_back_as_caps_ask(
    spark: SparkSession, settings: Settings
) -> None:
    lake, memory = DeltaLake(spark, settings.lake), SentMessages(Tables(settings.lake))
    rows = [
        decided(days, decision_id=f"d-{days}", message_id=f"{source}-{days}", source=source)
        for days, source in ((9, "run"), (8, "trigger"), (2, "run"))
    ]
    for unit, row in enumerate(rows):
        lake.append_few(LEDGER, pa.Table.from_pylist([row], LEDGER.arrow_schema()), "test", unit)
    for since, names in ((NOW - 3 * DAY, ["run-2", "trigger-8"]), (NOW, ["trigger-8"])):
        assert sorted(memory.of(pa.array(["c-1"]), None, since)["message_id"].to_pylist()) == names


def test_the_past_is_attached_alike_to_few_and_to_many() -> None:
    sent = [
        decided(
            300,
            decision_id="d-1",
            message_id="m-1",
            campaign_id="delivered",
            channel="sms",
            source_id="e-1",
            data='{"o":1}',
        ),
        decided(
            2, decision_id="d-2", message_id="m-2", campaign_id="delivered", channel="sms", source_id="e-2"
        ),
        decided(
            2, decision_id="d-3", message_id="m-3", campaign_id="delivered", channel="email", source_id="e-3"
        ),
        decided(2, decision_id="d-4", message_id="m-4", campaign_id="other", channel="sms", source_id="e-4"),
    ]
    asking = [
        candidate_row(decision_id="a", campaign_id="delivered", channel="sms"),
        candidate_row(decision_id="b", campaign_id="delivered", channel="push"),
        candidate_row(decision_id="c", campaign_id="other", channel="sms"),
        candidate_row(decision_id="d", campaign_id="other", channel="sms", customer_id="c-2"),
    ]
    once = event_campaign(None, trigger={"event": "order.delivered", "reentry": "once"})
    asked = asked_by([once], Decide(frequency_caps=(HouseCap(at_most=1, per="3 days"),)))
    assert asked.since(NOW) is None
    ledger = pa.Table.from_pylist(sent, LEDGER.arrow_schema())
    rows = ledger.rename_columns({"decided_at": "at"}).select(SENT_COLUMNS)
    few = attach_past(arrow(asking, CANDIDATE_SCHEMA), rows, asked, NOW)
    entries = dict(zip(few["decision_id"].to_pylist(), few["entries"].to_pylist(), strict=True))
    for name in "ab":  # on whatever channel
        assert sorted((one["source_id"], one["data"]) for one in entries[name]) == [
            ("e-1", '{"o":1}'),
            ("e-2", "{}"),
            ("e-3", "{}"),
        ]
    assert (entries["c"], entries["d"]) == (None, None)
    before = few["sent_before"].to_pylist()
    assert before == many([row["customer_id"] for row in asking], ledger.slice(1))
    assert [len(found or ()) for found in before] == [3, 3, 3, 0]


def many(customer_ids: list[str], ledger: pa.Table) -> list[Any]:
    """`sent_before` as a run's tasks make it of rows of the ledger."""
    is_sent = pc.and_(pc.equal(ledger["stage"], "decide"), pc.equal(ledger["decision"], "sent"))
    stopped = ledger.filter(pc.equal(ledger["stage"], "render"))
    sent = ledger.filter(is_sent).select(CAPPED_FROM)
    found: list[Any] = sent_before(pa.array(customer_ids), sent, stopped).to_pylist()
    return found
