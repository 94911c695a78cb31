"""Who becomes a candidate: explicit triggers, events with and without a condition, the audience of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import Decide, HouseCap
from pipelines.campaigns import Campaign
from pipelines.considered import MEMBERS
from pipelines.decide.policy import policy_row, policy_text
from pipelines.decode import EVENTS, TRIGGERS, decode_records, select_events, select_triggers
from pipelines.errors import InputError
from pipelines.identity import uuid5
from pipelines.match import (
    CANDIDATE_COLUMNS,
    campaigns_frame,
    identify_candidates,
    match_events,
    match_triggers,
    select_members,
)
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    KAFKA_SCHEMA,
    NOW,
    Row,
    audience_row,
    candidate_row,
    event,
    event_campaign,
    frame,
    kafka_row,
    make_campaign,
    scheduled_campaign,
    trigger,
)

#: Rules of the house, so that it shows where they are lost.
HOUSE = Decide(quiet_from="22:00", quiet_to="08:00", frequency_caps=(HouseCap(at_most=3, per="week"),))

MATCHED = ("source", "source_id", "campaign_id", "campaign_version", "channel", "customer_id", "origin")


#: One of each kind of rule.
RULES: Row = {
    "trigger": {
        "explicit": True,
        "delay": "2 days",
        "expires_after": "3 days",
        "reentry": {"once_per": "plan"},
    },
    "quiet_hours": {"from": "21:00", "to": "07:00", "otherwise": "exclude"},
    "send_window": {"days": ["mon"]},
    "frequency_caps": [{"at_most": 1, "per": "7 days", "channel": "email", "category": "service"}],
    "rate": {"per_minute": 5},
    "holdout": {"percent": 2.5},
}


def triggers_of(spark: SparkSession, *documents: Row) -> DataFrame:
    rows = [kafka_row(document, TRIGGERS.topic, number) for number, document in enumerate(documents)]
    return select_triggers(decode_records(frame(spark, rows, KAFKA_SCHEMA)))


def events_of(spark: SparkSession, *documents: Row) -> DataFrame:
    rows = [kafka_row(document, EVENTS.topic, number) for number, document in enumerate(documents)]
    return select_events(decode_records(frame(spark, rows, KAFKA_SCHEMA)))


def matched(frame: DataFrame | None) -> list[tuple[Any, ...]]:
    assert frame is not None
    return sorted((tuple(row) for row in frame.select(*MATCHED).collect()), key=str)


def test_explicit_triggers_whole(spark: SparkSession) -> None:
    campaigns: list[tuple[str, Campaign]] = [
        ("v1", make_campaign(None, channels=["email", "push"], variants={"a": 1, "b": 2}, **RULES)),
        ("v2", scheduled_campaign(status="paused")),
    ]
    triggers = triggers_of(
        spark,
        trigger("t-1", expires_at="2026-03-01T10:00:00Z"),
        trigger("t-2", campaign_id="nobody_knows", customer_id="c-2"),
        trigger("t-3", campaign_id="letter"),
    )
    known = {
        "source": "trigger",
        "source_id": "t-1",
        "campaign_id": "welcome",
        "campaign_version": "v1",
        "campaign_status": "active",
        "consent_topic": "reminders",
        "customer_id": "c-1",
        "occurred_at": NOW.replace(minute=0),
        "expires_at": NOW.replace(hour=10, minute=0),
        "data": '{"plan":"basic"}',
        "origin": "campaign.triggers/0/0",
        "policy": policy_text(campaigns[0][1], HOUSE),
    }
    # A scheduled campaign cannot be triggered: it is as unknown as one that was never published.
    unknown = known | dict.fromkeys(("campaign_version", "campaign_status", "consent_topic", "policy"))
    unknown |= {"channel": None, "expires_at": None}
    expected = [
        {**known, "channel": "email"},
        {**known, "channel": "push"},
        {
            **unknown,
            "source_id": "t-2",
            "campaign_id": "nobody_knows",
            "customer_id": "c-2",
            "origin": "campaign.triggers/0/1",
        },
        {**unknown, "source_id": "t-3", "campaign_id": "letter", "origin": "campaign.triggers/0/2"},
    ]
    schema = (
        "source string, source_id string, campaign_id string, campaign_version string, "
        "campaign_status string, consent_topic string, "
        "channel string, customer_id string, occurred_at timestamp, expires_at timestamp, data string, "
        "origin string, policy string"
    )
    found = match_triggers(triggers, campaigns_frame(spark, campaigns, HOUSE))
    assert_df_equality(found, frame(spark, expected, schema), ignore_row_order=True, ignore_nullable=True)


def test_an_event_fires_every_campaign_that_names_it_and_whose_condition_holds(spark: SparkSession) -> None:
    events = events_of(
        spark,
        event("small", properties={"total": 5}),
        event("large", properties={"total": 50.5, "other": "field"}),
        event("null", properties={"total": None}),
        event("absent", properties={}),
        event("mistyped", properties={"total": "much"}),
        event("other", type="order.shipped", properties={"total": 50}),
    )
    campaigns = [
        ("v1", event_campaign("total >= 10", campaign_id="large_only", channels=["email"])),
        ("v2", event_campaign("total IS NULL", campaign_id="unknown_total", channels=["email"])),
        ("v3", event_campaign(campaign_id="always", channels=["email", "sms"])),
        ("v4", make_campaign()),
    ]
    named = ["small", "large", "null", "absent", "mistyped"]
    origin = {name: f"customer.events/0/{number}" for number, name in enumerate(named)}
    expected = [("event", "large", "large_only", "v1", "email", "c-1", origin["large"])]
    expected += [
        ("event", name, "unknown_total", "v2", "email", "c-1", origin[name])
        for name in ("null", "absent", "mistyped")
    ]
    expected += [
        ("event", name, "always", "v3", channel, "c-1", origin[name])
        for name in named
        for channel in ("email", "sms")
    ]
    assert matched(match_events(events, campaigns)) == sorted(expected, key=str)


def test_a_condition_sees_declared_fields_alone_whatever_their_names(spark: SparkSession) -> None:
    events = events_of(spark, event(properties={"_row": "a", "source_id": "b", "data": "c"}))
    data = {"_row": "string", "source_id": "string", "data": "string"}
    campaign = event_campaign("_row = 'a' AND source_id = 'b' AND data = 'c'", data=data, channels=["sms"])
    expected = [("event", "e-1", "delivered", "v1", "sms", "c-1", "customer.events/0/0")]
    assert matched(match_events(events, [("v1", campaign)])) == expected
    constant = event_campaign("1 = 1", data={}, channels=["sms"])
    assert matched(match_events(events, [("v1", constant)])) == expected


def test_no_campaign_names_an_event(spark: SparkSession) -> None:
    assert match_events(events_of(spark, event()), [("v1", make_campaign())]) is None


@pytest.mark.parametrize(
    "predicate", ["total >", "nothing > 1", "sum(total) > 1", "total", "nofunction(total)"]
)
def test_a_predicate_that_spark_does_not_understand_is_one_line(spark: SparkSession, predicate: str) -> None:
    events = events_of(spark, event())
    with pytest.raises(
        InputError, match=r"^campaign 'delivered' trigger\.when: .*carillon publish"
    ) as caught:
        match_events(events, [("v1", event_campaign(predicate))])
    assert "\n" not in str(caught.value)
    audience = frame(spark, [audience_row()], table("audience").schema())
    with pytest.raises(InputError, match=r"^campaign 'letter' audience\.where: "):
        select_members(audience, scheduled_campaign(predicate), F.lit(NOW))


def members(spark: SparkSession, people: list[Row], campaign: Campaign) -> dict[str, tuple[Any, Any]]:
    """Channel and failed clause of each member."""
    selected = select_members(frame(spark, people, table("audience").schema()), campaign, F.lit(NOW))
    assert selected is not None
    assert [(f.name, f.type) for f in selected.toArrow().schema] == [(f.name, f.type) for f in MEMBERS]
    return {row.customer_id: (row.channel, row.outside_of) for row in selected.collect()}


def test_a_run_considers_the_members_of_its_audience_rule(spark: SparkSession) -> None:
    people = [audience_row("c-1"), audience_row("c-2", segments=None), audience_row("c-3", segments=["new"])]
    campaign = scheduled_campaign("array_contains(segments, 'loyal')", channels=["email", "sms"])
    assert members(spark, people, campaign) == {"c-1": (None, None)}
    for everybody in ("true", " TRUE\n"):
        nobody = spark.createDataFrame([], "customer_id string")
        assert select_members(nobody, scheduled_campaign(everybody), F.lit(NOW)) is None


def test_a_rule_that_records_outsiders_keeps_everybody_with_the_clause_they_failed(
    spark: SparkSession,
) -> None:
    rule = (
        "country = 'AT' AND array_contains(segments, 'loyal')\n  AND loyalty_points BETWEEN 5 AND 9 "
        "AND NOT exists(recent_orders, o -> o.ordered_at > clock - INTERVAL 30 DAYS AND o.total > 1)"
    )
    ordered = {"order_id": "o-1", "total": 2.0, "currency": "EUR", "item": "tea", "ordered_at": NOW}
    late = "NOT exists(recent_orders, o -> o.ordered_at > clock - INTERVAL 30 DAYS AND o.total > 1)"
    cases: dict[str, tuple[Row, str | None]] = {
        "c-1": ({}, None),
        "c-2": ({"country": "DE", "segments": None}, "country = 'AT'"),
        "c-3": ({"segments": None}, "array_contains(segments, 'loyal')"),
        "c-4": ({"loyalty_points": None}, "loyalty_points BETWEEN 5 AND 9"),
        "c-5": ({"recent_orders": [ordered]}, late),
    }
    people = [audience_row(name, **changes) for name, (changes, _) in cases.items()]
    told, silent = (
        scheduled_campaign(audience={"where": rule, "record_outside": flag}) for flag in (True, False)
    )
    assert members(spark, people, told) == {who: (None, clause) for who, (_, clause) in cases.items()}
    assert members(spark, people, silent) == {"c-1": (None, None)}
    # One clause that is null where the whole is not true: a rule of one piece is its own clause.
    either = scheduled_campaign(
        audience={"where": "country = 'CH' OR segments IS NULL", "record_outside": True}
    )
    clauses = {clause for _, clause in members(spark, people, either).values()}
    assert clauses == {None, "country = 'CH' OR segments IS NULL"}


def test_ids_and_shards_of_candidates_whole(spark: SparkSession) -> None:
    schema = CANDIDATE_SCHEMA.replace("decision_id string, message_id string, ", "").replace(
        "send_partition int, ", ""
    )
    given = [candidate_row(), candidate_row(channel=None, campaign_version=None)]
    found = identify_candidates(frame(spark, given, schema), "triggered", 1)
    origin = given[0]["origin"]
    expected = [
        row
        | {
            "decision_id": uuid5("triggered", origin, "welcome", "c-1", row["channel"] or ""),
            "message_id": uuid5("welcome", "t-1", "c-1", row["channel"] or ""),
            "send_partition": 0,
        }
        for row in given
    ]
    assert tuple(found.columns) == CANDIDATE_COLUMNS
    assert_df_equality(
        found, frame(spark, expected, CANDIDATE_SCHEMA), ignore_row_order=True, ignore_nullable=True
    )


def test_the_rules_of_a_campaign_with_those_of_the_house(spark: SparkSession) -> None:
    ramped = {"per_minute": 9, "ramp": [{"minutes": 2, "per_minute": 3}, {"minutes": 1, "per_minute": 4}]}
    campaigns = [
        make_campaign(None, **RULES),
        scheduled_campaign(campaign_id="ramped", rate=ramped, lane="urgent", priority=7, category="news"),
        make_campaign(None, campaign_id="plain", topic="transactional"),
    ]
    for campaign in campaigns:
        (row,) = campaigns_frame(spark, [("v", campaign)], HOUSE).select("policy").collect()
        assert json.loads(row.policy) == policy_row(campaign, HOUSE)
    rows = [policy_row(campaign, HOUSE) for campaign in campaigns]
    assert rows[1]["rate"] == [
        {"first": 0, "minute": 0, "per_minute": 3},
        {"first": 6, "minute": 2, "per_minute": 4},
        {"first": 10, "minute": 3, "per_minute": 9},
    ]
    assert [row["category"] for row in rows] == ["reminders", "news", "transactional"]
    # The rules of the house do not reach what the customer has asked for.
    assert (rows[2]["caps"], rows[2]["holding"], rows[2]["house_holdout_bp"]) == (None, None, 0)
    assert [cap["counts"] for cap in rows[0]["caps"]] == ["category", "all"]
