"""What was sent before: what counts, how far back is looked, and what is joined."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from conf.house import Decide, HouseCap
from pipelines.history import asked_by, join_reentry, join_sent, select_sent
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    NOW,
    Row,
    candidate_row,
    event_campaign,
    frame,
    ledger_row,
    make_campaign,
)

DAY = timedelta(days=1)
LEDGER = table("ledger").schema()


def ledger(spark: SparkSession, *rows: Row) -> DataFrame:
    return frame(spark, rows, LEDGER)


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
    later = event_campaign(None, trigger={"event": "order.delivered", "delay": "2 days"})
    assert [asked_by([one], Decide()).may_hold for one in (plain, later)] == [False, True]


def test_only_what_was_sent_counts(spark: SparkSession) -> None:
    rows = ledger(
        spark,
        decided(1, decision_id="d-1"),
        decided(1, decision_id="d-2", decision="excluded", reason="no_consent"),
        decided(1, decision_id="d-3", decision="held", reason="held_delay"),
        decided(1, decision_id="d-4"),
        decided(1, decision_id="d-4", stage="render", decision="failed", reason="render_error"),
        decided(2, decision_id="d-5", customer_id="c-2"),
        decided(9, decision_id="d-6"),
    )
    customers = frame(spark, [{"customer_id": "c-1"}], "customer_id string")
    found = select_sent(rows, NOW - 2 * DAY, customers)
    assert [(row.customer_id, row["at"].astimezone(NOW.tzinfo)) for row in found.collect()] == [
        ("c-1", NOW - DAY)
    ]
    assert select_sent(rows, None, None).count() == 3
    joined = join_sent(customers, found, False).collect()
    assert [len(row.sent_before) for row in joined] == [1]


def test_earlier_messages_of_the_campaign_and_channel_are_joined(spark: SparkSession) -> None:
    rows = ledger(
        spark,
        decided(
            300, decision_id="d-1", campaign_id="delivered", channel="sms", source_id="e-1", data='{"o":1}'
        ),
        decided(2, decision_id="d-2", campaign_id="delivered", channel="sms", source_id="e-2"),
        decided(2, decision_id="d-3", campaign_id="delivered", channel="email", source_id="e-3"),
        decided(2, decision_id="d-4", campaign_id="other", channel="sms", source_id="e-4"),
    )
    asking = [
        candidate_row(decision_id="a", campaign_id="delivered", channel="sms"),
        candidate_row(decision_id="b", campaign_id="delivered", channel="push"),
        candidate_row(decision_id="c", campaign_id="other", channel="sms"),
    ]
    joined = join_reentry(
        frame(spark, asking, CANDIDATE_SCHEMA), select_sent(rows, None, None), ["delivered"]
    )
    found = {row.decision_id: row.entries for row in joined.collect()}
    assert sorted((one.source_id, one.data) for one in found["a"]) == [("e-1", '{"o":1}'), ("e-2", "{}")]
    assert (found["b"], found["c"]) == (None, None)
