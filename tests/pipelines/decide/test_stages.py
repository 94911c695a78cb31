"""Rows that are judged against each other: one channel of several, turns by the delivery rate, a stage of caps."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns.hours import NO_RULES
from pipelines.decide import Comparisons, decide
from pipelines.decide.policy import policy_row
from tests.builders import NOW, Row, audience_row, candidate_row, frame, make_campaign, scheduled_campaign
from tests.pipelines.decide.test_gates import MINUTE, SCHEMA

ORDER = ("push", "email", "sms")
RAMP = {"per_minute": 4, "ramp": [{"minutes": 2, "per_minute": 1}, {"minutes": 1, "per_minute": 3}]}


def choosing(choice: str, **keys: Any) -> Row:
    return policy_row(make_campaign(None, channels=list(ORDER), channel_choice=choice, **keys), NO_RULES)


def on_every_channel(name: str, rules: Row, person: Row | None = None, **changes: Any) -> list[Row]:
    """One customer on each channel; what is changed by channel is given as {channel: changes}."""
    by_channel = changes.pop("by_channel", {})
    common: Row = {
        "origin": name,
        "customer_id": name,
        "policy": rules,
        "customer": person or audience_row(name),
    }
    return [
        candidate_row(
            **{"decision_id": f"{name}/{channel}", "channel": channel, **common, **changes}
            | by_channel.get(channel, {})
        )
        for channel in ORDER
    ]


def outcomes(spark: SparkSession, rows: list[Row], **keys: Any) -> dict[str, tuple[str, Any, Any]]:
    made = decide(frame(spark, rows, SCHEMA), F.lit(NOW), "triggered", 0, 1, **keys)
    columns = ("decision_id", "decision", "reason", "due_at", "gates")
    found = made.select(*columns).withColumn("due_s", F.unix_seconds("due_at")).collect()
    return {
        row.decision_id: (
            row.reason or row.decision,
            None if row.due_s is None else (row.due_s - NOW.timestamp()) / 60,
            {one.gate: one.value for one in row.gates},
        )
        for row in found
    }


def test_one_channel_is_chosen_among_those_that_reach(spark: SparkSession) -> None:
    prefers = audience_row(preferred_channel="sms")
    first, preferred = choosing("first"), choosing("preferred")
    rows = [
        *on_every_channel("first", first),
        *on_every_channel("next", first, audience_row(push_token=None)),
        *on_every_channel("consent", first, by_channel={"push": {"granted": False}}),
        *on_every_channel("bounced", first, by_channel={"push": {"suppressed_by": "hard_bounce"}}),
        *on_every_channel("broken", first, audience_row(invalid_channels=["push", "email"])),
        *on_every_channel("nowhere", first, granted=False),
        *on_every_channel("preferred", preferred, prefers),
        *on_every_channel("not_preferred", preferred, prefers, by_channel={"sms": {"granted": False}}),
        *on_every_channel("no_wish", preferred, audience_row(preferred_channel=None)),
        *on_every_channel("odd_wish", preferred, audience_row(preferred_channel="pigeon")),
        *on_every_channel("all", choosing("all"), prefers),
        # Whatever stands against all channels alike does not unchoose one.
        *on_every_channel("paused", first, campaign_status="paused"),
    ]
    found = outcomes(spark, rows)
    no = "channel_not_chosen"
    assert {name: tuple(found[f"{name}/{c}"][0] for c in ORDER) for name in {r["origin"] for r in rows}} == {
        "first": ("sent", no, no),
        "next": ("no_address", "sent", no),
        "consent": ("no_consent", "sent", no),
        "bounced": ("suppressed", "sent", no),
        "broken": ("invalid_address", "invalid_address", "sent"),
        "nowhere": ("no_consent", "no_consent", "no_consent"),
        "preferred": (no, no, "sent"),
        "not_preferred": ("sent", no, "no_consent"),
        "no_wish": ("sent", no, no),
        "odd_wish": ("sent", no, no),
        "all": ("sent", "sent", "sent"),
        "paused": ("campaign_paused",) * 3,
    }
    assert found["preferred/push"][2]["channel_choice"] == "sms"


def test_while_a_message_waits_no_channel_is_chosen(spark: SparkSession) -> None:
    delayed = choosing("first", trigger={"explicit": True, "delay": "2 hours"})
    quiet = choosing("first", quiet_hours={"from": "10:00", "to": "11:00"})
    rows = [
        *on_every_channel("d", delayed),
        *on_every_channel("q", quiet),
        *on_every_channel("due", delayed, is_due=True),
    ]
    found = outcomes(spark, rows)
    assert [found[f"d/{c}"][:2] for c in ORDER] == [("held_delay", 60.0)] * 3
    assert [found[f"q/{c}"][:2] for c in ORDER] == [("held_quiet_hours", 30.0)] * 3
    assert [found[f"due/{c}"][0] for c in ORDER] == ["sent", "channel_not_chosen", "channel_not_chosen"]


def queue(count: int, rules: Row, name: str, **changes: Any) -> list[Row]:
    return [
        candidate_row(
            **{
                "decision_id": f"{name}/{n}",
                "origin": f"{name}/{n}",
                "campaign_id": name,
                "policy": rules,
                "occurred_at": NOW - (count - n) * MINUTE,
                **changes,
            }
        )
        for n in range(count)
    ]


def test_turns_by_the_delivery_rate(spark: SparkSession) -> None:
    two = policy_row(make_campaign(None, rate={"per_minute": 2}), NO_RULES)
    ramped = policy_row(scheduled_campaign(rate=RAMP), NO_RULES)
    rows = [
        *queue(5, two, "two"),
        *queue(2, two, "late", rate_free_at=NOW + 3 * MINUTE),
        *queue(2, two, "early", rate_free_at=NOW - 3 * MINUTE),
        *queue(5, two, "due", is_due=True, rate_free_at=NOW + 3 * MINUTE),
        *queue(11, ramped, "ramp"),
        *queue(5, ramped, "ramp_due", is_due=True),
        *queue(3, policy_row(make_campaign(), NO_RULES), "free"),
        # What is excluded takes nobody's turn.
        *queue(3, two, "excluded", granted=False),
    ]
    rows[0]["granted"] = False
    found = outcomes(spark, rows)

    def turns(name: str, count: int) -> list[float]:
        return [found[f"{name}/{n}"][1] or 0.0 for n in range(count)]

    assert found["two/0"][0] == "no_consent"
    assert turns("two", 5) == [0, 0, 0, 1, 1]
    assert [found[f"two/{n}"][0] for n in range(1, 5)] == ["sent", "sent", "held_rate", "held_rate"]
    assert turns("late", 2) == [3, 3]
    assert turns("early", 2) == [0, 0]
    assert turns("due", 5) == [0, 0, 1, 1, 2]
    assert turns("ramp", 11) == [0, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4]
    assert turns("ramp_due", 5) == [0, 0, 0, 0, 1]
    assert [found[f"free/{n}"][0] for n in range(3)] == ["sent"] * 3
    assert [found[f"excluded/{n}"][0] for n in range(3)] == ["no_consent"] * 3
    assert found["two/3"][2]["rate"] == "message 3 of the unit, 2 a minute"
    assert "rate" not in found["free/0"][2]


def test_a_stage_judges_those_who_would_be_sent_to_and_comes_before_the_rate(spark: SparkSession) -> None:
    one = policy_row(make_campaign(None, rate={"per_minute": 1}), NO_RULES)
    seen: list[str] = []

    def stage(rows: DataFrame) -> DataFrame:
        seen.extend(sorted(row.decision_id for row in rows.where("reason IS NULL").collect()))
        capped = (F.col("decision_id") == "r/0") & F.col("reason").isNull()
        return rows.withColumn("reason", F.when(capped, F.lit("expired")).otherwise(F.col("reason")))

    rows = queue(3, one, "r")
    rows += queue(
        1, policy_row(make_campaign(None, trigger={"explicit": True, "delay": "1 day"}), NO_RULES), "w"
    )
    found = outcomes(spark, rows, stages=[stage])
    assert seen == ["r/0", "r/1", "r/2"]
    assert [found[f"r/{n}"][:2] for n in range(3)] == [("expired", None), ("sent", None), ("held_rate", 1.0)]
    assert found["w/0"][0] == "held_delay"


def test_only_comparisons_that_a_campaign_asks_for_are_made(spark: SparkSession) -> None:
    asked = Comparisons.asked_by
    assert asked([make_campaign()]) == Comparisons(channel_choice=False, rate=False)
    assert asked([make_campaign(), make_campaign(None, channel_choice="first")]) == Comparisons(True, False)
    assert asked([make_campaign(None, channel_choice="first", channels=["sms"])]) == Comparisons(False, False)
    assert asked([scheduled_campaign(rate={"per_minute": 1})]) == Comparisons(False, True)
    rows = queue(2, policy_row(make_campaign(), NO_RULES), "plain")
    none = Comparisons(channel_choice=False, rate=False)
    assert outcomes(spark, rows, comparisons=none) == outcomes(spark, rows)
    plan = decide(frame(spark, rows, SCHEMA), F.lit(NOW), "p", 0, 1, comparisons=none)
    assert "Window" not in plan._jdf.queryExecution().optimizedPlan().toString()
