"""Suppression at the moment of the decision: by customer, address and domain, lifted, per channel, and for good."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.decode import EVENTS, decode_records, select_events
from pipelines.suppression import (
    join_suppressions,
    latest_suppressions,
    select_suppression_changes,
    select_unreadable_suppressions,
    suppressed_value,
)
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    HOUR,
    KAFKA_SCHEMA,
    NOW,
    Row,
    audience_row,
    candidate_row,
    customer_schema,
    event,
    frame,
    kafka_row,
    suppression_row,
)

SUPPRESSIONS = table("suppressions").schema()
SCHEMA = f"{CANDIDATE_SCHEMA}, customer {customer_schema()}"

BOUNCED = "hard_bounce (customer), 2026-03-01T08:30:00Z"
#: Of which customer a case is, in the texts below.
WHO = "{who}"


def row(kind: str = "customer", text: str = WHO, **changes: Any) -> Row:
    """A row of the table about the customer of a case."""
    return {"kind": kind, "text": text, **changes}


#: (what, the rows of the table, what is said of an email to {who}@{who}.example.org).
CASES: tuple[tuple[str, list[Row], str | None], ...] = (
    ("another customer", [row(text="another")], None),
    ("the customer", [row()], "hard_bounce (customer), 2026-03-01T08:30:00Z"),
    ("an id in another case is another customer", [row(text="{WHO}")], None),
    ("the customer, on another channel", [row(channel="sms")], None),
    ("the customer, on this channel", [row(channel="email")], BOUNCED),
    (
        "the address, in other letters",
        [row("address", " {WHO}@{who}.Example.org", cause="complaint")],
        "complaint (address), 2026-03-01T08:30:00Z",
    ),
    ("the phone number of another channel", [row("address", "+12025550101")], None),
    ("the domain", [row("domain", "{WHO}.Example.ORG", cause="manual")], "manual (domain), 2026-03-01T08:30:00Z"),
    ("a domain that only ends like it", [row("domain", "example.org")], None),
    (
        "lifted later",
        [row(), row(is_suppressed=False, occurred_at=NOW, event_id="e-2")],
        None,
    ),
    (
        "lifted earlier",
        [row(occurred_at=NOW), row(is_suppressed=False, event_id="e-2")],
        "hard_bounce (customer), 2026-03-01T09:30:00Z",
    ),
    (
        "lifted on one channel only",
        [row(), row(channel="email", is_suppressed=False, occurred_at=NOW)],
        "hard_bounce (customer), 2026-03-01T08:30:00Z",
    ),
    (
        "erased, and lifted later",
        [
            row(cause="erased"),
            row(is_suppressed=False, occurred_at=NOW, event_id="e-2"),
        ],
        "erased (customer), 2026-03-01T08:30:00Z",
    ),
    (
        "lifted at the same moment, whatever the event ids",
        [row(), row(is_suppressed=False, event_id="e-2"), row(is_suppressed=False, event_id="e-0")],
        BOUNCED,
    ),
    (
        "an erasure that is older than another suppression",
        [row(cause="erased"), row(cause="manual", occurred_at=NOW, event_id="e-2")],
        "erased (customer), 2026-03-01T08:30:00Z",
    ),
)  # fmt: skip


@pytest.mark.parametrize("is_large", [False, True])
def test_what_stands_against_writing(spark: SparkSession, is_large: bool) -> None:
    candidates, changes, expected = [], [], {}
    for number, (what, rows, said) in enumerate(CASES):
        who = f"c-{number}"
        person = audience_row(who, email=f"{who}@{who}.example.org")
        candidates.append(candidate_row(decision_id=what, customer_id=who, customer=person))
        expected[what] = said
        for one in rows:
            text = one["text"].replace("{who}", who).replace("{WHO}", who.upper())
            rest = {name: value for name, value in one.items() if name not in ("kind", "text")}
            changes.append(suppression_row(one["kind"], text, **rest))
    given = frame(spark, candidates, SCHEMA)
    joined = join_suppressions(given, frame(spark, changes, SUPPRESSIONS), is_large)
    assert joined.columns == [*given.columns, "suppressed_by"]
    assert found(joined) == expected


def test_each_channel_has_its_address_and_nobody_is_lost_or_doubled(spark: SparkSession) -> None:
    rows = [
        candidate_row(decision_id="d-1"),
        candidate_row(decision_id="d-2", channel="sms"),
        candidate_row(decision_id="d-3", channel=None),
        candidate_row(decision_id="d-4", customer_id="c-9", customer=None),
        candidate_row(decision_id="d-5", customer_id="c-8", customer=audience_row("c-8", email=None)),
    ]
    said = [
        suppression_row("address", "+12025550101"),
        suppression_row("customer", "c-9"),
        suppression_row("address", "+12025550101", cause="complaint", channel="sms"),
    ]
    candidates, changes = frame(spark, rows, SCHEMA), frame(spark, said, SUPPRESSIONS)
    assert found(join_suppressions(candidates, changes, False)) == {
        "d-1": None,
        "d-2": "hard_bounce (address), 2026-03-01T08:30:00Z",
        "d-3": None,
        "d-4": "hard_bounce (customer), 2026-03-01T08:30:00Z",
        "d-5": None,
    }
    assert set(found(join_suppressions(candidates, None, False)).values()) == {None}


def found(joined: DataFrame) -> dict[str, str | None]:
    rows = joined.select("decision_id", "suppressed_by").collect()
    assert len({row.decision_id for row in rows}) == len(rows)
    return {row.decision_id: row.suppressed_by for row in rows}


def decoded(spark: SparkSession, *properties_by_type: tuple[str, Any]) -> DataFrame:
    events = [
        event(f"e-{n}", type=kind, properties=said) for n, (kind, said) in enumerate(properties_by_type)
    ]
    rows = [kafka_row(one, EVENTS.topic, n) for n, one in enumerate(events)]
    return select_events(decode_records(frame(spark, rows, KAFKA_SCHEMA)))


def test_events_become_rows_or_dead_letters(spark: SparkSession) -> None:
    events = decoded(
        spark,
        ("customer.suppressed", {"cause": "complaint"}),
        ("customer.suppressed", {"cause": "hard_bounce", "channel": "email", "suppressed": False}),
        ("customer.erased", {"cause": "whatever", "channel": "email"}),
        ("customer.suppressed", {}),
        ("customer.suppressed", {"cause": "erased"}),
        ("customer.suppressed", {"cause": "manual", "channel": "fax"}),
        ("order.delivered", {"cause": "manual"}),
    )
    changes = select_suppression_changes(events, "triggered")
    assert changes.columns == list(SUPPRESSIONS.names)
    said = {r.event_id: (r.channel, r.is_suppressed, r.cause) for r in changes.collect()}
    assert said == {
        "e-0": (None, True, "complaint"),
        "e-1": ("email", False, "hard_bounce"),
        "e-2": (None, True, "erased"),
    }
    assert {r.value for r in changes.collect()} == {suppressed_value("customer", "c-1")}
    refused = select_unreadable_suppressions(events).collect()
    assert sorted(r.offset for r in refused) == [3, 4, 5]
    assert {r.reason for r in refused} == {"missing_field"}


def test_one_row_per_value_whatever_the_order(spark: SparkSession) -> None:
    rows = [
        suppression_row(channel="sms", occurred_at=NOW + HOUR),
        suppression_row(),
        suppression_row("domain", "example.org"),
    ]
    for order in (rows, rows[::-1]):
        entries = latest_suppressions(frame(spark, order, SUPPRESSIONS)).collect()
        assert sorted((r.kind, [e.channel for e in r.entries]) for r in entries) == [
            ("customer", [None, "sms"]),
            ("domain", [None]),
        ]
