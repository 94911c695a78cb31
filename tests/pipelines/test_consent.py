"""Consent at the moment of the decision: the snapshot, what came since, and what is not to be understood."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from pipelines.consent import granted_of, select_consent_changes, select_unreadable_changes
from pipelines.decode import EVENTS, decode_records, select_events
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    HOUR,
    KAFKA_SCHEMA,
    NOW,
    Row,
    arrow,
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


def granted(candidates: list[Row], changes: list[Row]) -> dict[str, bool | None]:
    """By decision."""
    asking = arrow(candidates, SCHEMA)
    said = pa.Table.from_pylist(changes, table("consents").arrow_schema())
    found = granted_of(asking, said, NOW)
    return dict(zip(asking["decision_id"].to_pylist(), found.to_pylist(), strict=True))


def test_snapshot_and_what_came_since() -> None:
    people = [(f"c-{number}", case) for number, case in enumerate(CASES)]
    candidates = [
        candidate_row(decision_id=case[0], customer_id=who, customer=audience_row(who, consents=case[1]))
        for who, case in people
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
    expected = {case[0]: case[3] for case in CASES}
    assert granted(candidates, changes) == expected
    # In whatever order the rows come.
    assert granted(candidates[::-1], changes[::-1]) == expected
    assert granted([], changes) == {}


def test_each_row_is_asked_for_its_own_channel_and_topic() -> None:
    answers = [consent("email", "reminders", False), consent("sms", "marketing", True)]
    rows = [
        candidate_row(
            decision_id=f"{channel}/{topic}",
            channel=channel,
            consent_topic=topic,
            customer=audience_row(consents=answers),
        )
        for channel in ("email", "sms")
        for topic in ("reminders", "marketing")
    ]
    assert granted(rows, []) == {
        "email/reminders": False,
        "email/marketing": None,
        "sms/reminders": None,
        "sms/marketing": True,
    }


def test_a_candidate_without_customer_or_channel_stays() -> None:
    nobody = candidate_row(channel=None, consent_topic=None, customer=None)
    assert granted([nobody], [change_row()]) == {"d-1": None}
    # Who is not in the snapshot may have said something since.
    gone = candidate_row(customer=None)
    assert granted([gone], [change_row(granted=True, occurred_at=NEWER)]) == {"d-1": True}


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
