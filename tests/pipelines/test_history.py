"""What was sent before: what counts, how far back is looked, and the three kinds of re-entry rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.house import Decide, HouseCap
from pipelines.campaigns import Campaign
from pipelines.decide.policy import POLICY_TYPE, policy_row
from pipelines.history import apply_reentry, asked_by, join_reentry, join_sent, select_sent
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    HOUR,
    NOW,
    Row,
    candidate_row,
    event_campaign,
    frame,
    ledger_row,
    make_campaign,
    scheduled_campaign,
)

DAY = timedelta(days=1)
LEDGER = table("ledger").schema()
SCHEMA = CANDIDATE_SCHEMA if " policy " in CANDIDATE_SCHEMA else f"{CANDIDATE_SCHEMA}, policy {POLICY_TYPE}"


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
    assert asked_by([scheduled_campaign(channels=["sms"])], Decide()).channels == 1


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


def candidates(spark: SparkSession, campaign: Campaign, *rows: Row) -> DataFrame:
    fixed = {"campaign_id": campaign.campaign_id, "channel": "sms"}
    made = [candidate_row() | fixed | row | {"policy": policy_row(campaign)} for row in rows]
    return frame(spark, made, SCHEMA)


def with_reentry(rule: Any) -> Campaign:
    trigger = {"event": "order.delivered", "reentry": rule}
    return event_campaign(None, trigger=trigger, data={"order_id": "string"})


#: (rule, days since the earlier message, its channel, its order, whether it forbids another).
REENTRIES = (
    ("once", 300.0, "sms", "o-1", True),
    ("once", 300.0, "email", "o-1", False),
    ({"once_per": "7 days"}, 6.99, "sms", "o-1", True),
    ({"once_per": "7 days"}, 7.0, "sms", "o-1", False),
    ({"once_per": "order_id"}, 300.0, "sms", "o-1", True),
    ({"once_per": "order_id"}, 1.0, "sms", "o-2", False),
    ({"once_per": "order_id"}, 1.0, "sms", None, False),
)


def test_what_an_earlier_message_forbids(spark: SparkSession) -> None:
    for rule, days, channel, order, is_forbidden in REENTRIES:
        campaign = with_reentry(rule)
        data = "{}" if order is None else f'{{"order_id":"{order}"}}'
        earlier = decided(days, campaign_id="delivered", channel=channel, source_id="e-0", data=data)
        rows = candidates(spark, campaign, {"data": '{"order_id":"o-1"}'})
        joined = join_reentry(rows, select_sent(ledger(spark, earlier), None, None), ["delivered"], NOW)
        (found,) = joined.collect()
        assert (found.reentered is not None) == is_forbidden, (rule, days, channel, order)
        if is_forbidden:
            # collect() gives times on the process's clock, without a zone.
            sent_at = found.reentered.sent_at.astimezone(NOW.tzinfo)
            assert (found.reentered.source_id, sent_at) == ("e-0", NOW - days * DAY)


def test_of_several_in_one_unit_the_first_is_let_through(spark: SparkSession) -> None:
    by_order = with_reentry({"once_per": "order_id"})
    rows = candidates(
        spark,
        by_order,
        {"decision_id": "d-1", "source_id": "e-1", "data": '{"order_id":"o-1"}'},
        {
            "decision_id": "d-2",
            "source_id": "e-2",
            "data": '{"order_id":"o-1"}',
            "occurred_at": NOW - 2 * HOUR,
        },
        {"decision_id": "d-3", "data": '{"order_id":"o-2"}'},
        {"decision_id": "d-4", "data": "{}"},
        {"decision_id": "d-5", "data": "{}"},
        {"decision_id": "d-6", "data": '{"order_id":"o-1"}', "customer_id": "c-2"},
    )
    gates = F.array().cast("array<struct<gate string, passed boolean, value string>>")
    judged = rows.withColumns({"reason": F.lit(None).cast("string"), "gates": gates})
    found = {
        row.decision_id: (row.reason, [g.value for g in row.gates]) for row in apply_reentry(judged).collect()
    }
    assert found.pop("d-1") == ("reentry", ["e-2"])
    assert set(found) == {"d-2", "d-3", "d-4", "d-5", "d-6"}
    assert {reason for reason, _ in found.values()} == {None}
