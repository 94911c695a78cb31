"""Consent at the moment of the decision: the snapshot, what came since, and what is not to be understood."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from pipelines.consent import (
    join_consents,
    latest_changes,
    select_consent_changes,
    select_unreadable_changes,
)
from pipelines.decode import EVENTS, decode_records, select_events
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    HOUR,
    KAFKA_SCHEMA,
    NOW,
    Row,
    audience_row,
    candidate_row,
    change_row,
    consent,
    consent_event,
    customer_schema,
    event,
    frame,
    kafka_row,
)

CONSENTS = table("consents").schema()
SCHEMA = f"{CANDIDATE_SCHEMA}, customer {customer_schema()}"


def snapshot(*granted: bool) -> list[Row]:
    """What the extract says of reminders by email, with other answers around it that must not count."""
    others = [consent("sms", "reminders", True), consent("email", "marketing", True)]
    return [others[0], *[consent("email", "reminders", one) for one in granted], others[1]]


NEWER, OLDER = NOW + HOUR, NOW - HOUR
MOMENT = timedelta(microseconds=1)
#: (what, consents in the snapshot taken at NOW, changes since as (granted, when, event_id), granted then).
CASES: tuple[tuple[str, list[Row] | None, list[tuple[bool, Any, str]], bool | None], ...] = (
    ("nothing recorded", [], [], None),
    ("no consents at all", None, [], None),
    ("the snapshot says yes", snapshot(True), [], True),
    ("the snapshot says no", snapshot(False), [], False),
    ("the snapshot says both", snapshot(True, False), [], False),
    ("withdrawn since", snapshot(True), [(False, NEWER, "e-1")], False),
    ("given since", snapshot(False), [(True, NEWER, "e-1")], True),
    ("first given since", [], [(True, NEWER, "e-1")], True),
    ("withdrawn before the extract, which says yes", snapshot(True), [(False, OLDER, "e-1")], False),
    ("given before the extract, which says no", snapshot(False), [(True, OLDER, "e-1")], False),
    ("given before the extract, which says nothing", [], [(True, OLDER, "e-1")], None),
    ("withdrawn before the extract, which says nothing", [], [(False, OLDER, "e-1")], False),
    ("withdrawn at the very time", snapshot(True), [(False, NOW, "e-1")], False),
    ("given at the very time", snapshot(False), [(True, NOW, "e-1")], False),
    ("given, then withdrawn", snapshot(True), [(True, NEWER, "e-1"), (False, NEWER + HOUR, "e-0")], False),
    ("withdrawn, then given", snapshot(True), [(False, NEWER, "e-1"), (True, NEWER + HOUR, "e-0")], True),
    ("a tie: the withdrawal", snapshot(True), [(True, NEWER, "e-1"), (False, NEWER, "e-2")], False),
    ("a tie, whatever the event ids", snapshot(True), [(False, NEWER, "e-1"), (True, NEWER, "e-2")], False),
    ("a tie that came the other way round", [], [(False, NEWER, "e-2"), (True, NEWER, "e-1")], False),
    ("a moment after a withdrawal", [], [(True, NEWER + MOMENT, "e-0"), (False, NEWER, "e-1")], True),
    ("the same event twice", snapshot(True), [(False, NEWER, "e-1"), (False, NEWER, "e-1")], False),
)


def test_snapshot_and_what_came_since(spark: SparkSession) -> None:
    people = [(f"c-{number}", case) for number, case in enumerate(CASES)]
    candidates = [
        candidate_row(decision_id=who, customer_id=who, customer=audience_row(who, consents=consents))
        for who, (_, consents, _, _) in people
    ]
    changes = [
        change_row(who, granted=granted, occurred_at=at, event_id=event_id)
        for who, (_, _, since, _) in people
        for granted, at, event_id in since
    ]
    # What others said, and what was said of other channels and topics, changes nothing.
    changes += [
        change_row("somebody-else", occurred_at=NEWER),
        change_row("c-2", channel="sms", occurred_at=NEWER),
        change_row("c-2", topic="marketing", occurred_at=NEWER),
    ]
    expected = [{**row, "granted": case[3]} for row, (_, case) in zip(candidates, people, strict=True)]
    found = join_consents(frame(spark, candidates, SCHEMA), frame(spark, changes, CONSENTS), NOW)
    assert_df_equality(
        found.select("decision_id", "granted").orderBy("decision_id"),
        frame(spark, expected, "decision_id string, granted boolean").orderBy("decision_id"),
        ignore_nullable=True,
    )
    assert sorted(found.columns) == sorted([*frame(spark, [], SCHEMA).columns, "granted"])


def test_a_candidate_without_customer_or_channel_stays(spark: SparkSession) -> None:
    rows = [candidate_row(channel=None, consent_topic=None, customer=None)]
    found = join_consents(frame(spark, rows, SCHEMA), frame(spark, [change_row()], CONSENTS), NOW)
    assert [(row.decision_id, row.granted) for row in found.collect()] == [("d-1", None)]


def test_the_newest_change_counts(spark: SparkSession) -> None:
    changes = [
        change_row(granted=True, occurred_at=NOW, event_id="e-9"),
        change_row(granted=False, occurred_at=NOW + HOUR, event_id="e-1"),
        change_row(channel="sms", granted=True),
    ]
    expected = [
        {"customer_id": "c-1", "channel": "email", "topic": "reminders", "granted": False, "at": NOW + HOUR},
        {"customer_id": "c-1", "channel": "sms", "topic": "reminders", "granted": True, "at": NOW - HOUR},
    ]
    schema = "customer_id string, channel string, topic string, granted boolean, at timestamp"
    assert_df_equality(
        latest_changes(frame(spark, changes, CONSENTS)),
        frame(spark, expected, schema).withColumnRenamed("at", "occurred_at"),
        ignore_row_order=True,
        ignore_nullable=True,
    )


#: Properties of consent events that do not say what changed.
UNREADABLE: tuple[Any, ...] = (
    {},
    {"channel": "email", "topic": "reminders"},
    {"channel": "email", "topic": "reminders", "granted": None},
    {"channel": "email", "topic": "reminders", "granted": "false"},
    {"channel": "email", "topic": "reminders", "granted": 0},
    {"channel": None, "topic": "reminders", "granted": False},
    {"channel": "email", "granted": False},
    {"channel": "e-mail", "topic": "reminders", "granted": False},
    {"channel": "EMAIL", "topic": "reminders", "granted": False},
    {"channel": "email", "topic": "Marketing", "granted": False},
)


def test_consent_events_are_rows_or_dead_letters_never_neither(spark: SparkSession) -> None:
    said = {"channel": "sms", "topic": "marketing", "granted": True}
    documents = [
        consent_event("good-1"),
        consent_event("good-2", properties={**said, "source": "web"}, customer_id="c-2"),
        event("no-consent-event", properties={"channel": "sms"}),
        *[consent_event(f"bad-{number}", properties=p) for number, p in enumerate(UNREADABLE)],
    ]
    rows = [kafka_row(document, EVENTS.topic, number) for number, document in enumerate(documents)]
    events = select_events(decode_records(frame(spark, rows, KAFKA_SCHEMA)))
    at = NOW.replace(minute=0)
    expected = [
        change_row(event_id="good-1", occurred_at=at, recorded_unit=4),
        change_row("c-2", **said, event_id="good-2", occurred_at=at, recorded_unit=4),
    ]
    assert_df_equality(
        select_consent_changes(events, "triggered", 4),
        frame(spark, expected, CONSENTS),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    letters = [
        {
            **row,
            "stage": "match",
            "reason": "missing_field",
            "detail": "consent.changed needs properties channel (email, sms or push), "
            "topic (marketing, reminders or transactional), granted (boolean)",
        }
        for row in rows[3:]
    ]
    schema = (
        "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary, "
        "stage string, reason string, detail string"
    )
    assert_df_equality(
        select_unreadable_changes(events),
        frame(spark, letters, schema),
        ignore_row_order=True,
        ignore_nullable=True,
    )
