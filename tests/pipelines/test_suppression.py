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
#: (what, the rows of the table, what is said of an email to c-1@example.org).
CASES: tuple[tuple[str, list[Row], str | None], ...] = (
    ("another customer", [suppression_row(text="c-2")], None),
    ("the customer", [suppression_row()], "hard_bounce (customer), 2026-03-01T08:30:00Z"),
    ("an id in another case is another customer", [suppression_row(text="C-1")], None),
    ("the customer, on another channel", [suppression_row(channel="sms")], None),
    ("the customer, on this channel", [suppression_row(channel="email")], BOUNCED),
    (
        "the address, in other letters",
        [suppression_row("address", " C-1@Example.org", cause="complaint")],
        "complaint (address), 2026-03-01T08:30:00Z",
    ),
    ("the phone number of another channel", [suppression_row("address", "+12025550101")], None),
    ("the domain", [suppression_row("domain", "Example.ORG", cause="manual")], "manual (domain), 2026-03-01T08:30:00Z"),
    ("a domain that only ends like it", [suppression_row("domain", "le.org")], None),
    (
        "lifted later",
        [suppression_row(), suppression_row(is_suppressed=False, occurred_at=NOW, event_id="e-2")],
        None,
    ),
    (
        "lifted earlier",
        [suppression_row(occurred_at=NOW), suppression_row(is_suppressed=False, event_id="e-2")],
        "hard_bounce (customer), 2026-03-01T09:30:00Z",
    ),
    (
        "lifted on one channel only",
        [suppression_row(), suppression_row(channel="email", is_suppressed=False, occurred_at=NOW)],
        "hard_bounce (customer), 2026-03-01T08:30:00Z",
    ),
    (
        "erased, and lifted later",
        [
            suppression_row(cause="erased"),
            suppression_row(is_suppressed=False, occurred_at=NOW, event_id="e-2"),
        ],
        "erased (customer), 2026-03-01T08:30:00Z",
    ),
    (
        "an erasure that is older than another suppression",
        [suppression_row(cause="erased"), suppression_row(cause="manual", occurred_at=NOW, event_id="e-2")],
        "erased (customer), 2026-03-01T08:30:00Z",
    ),
)  # fmt: skip


@pytest.mark.parametrize("is_large", [False, True])
def test_what_stands_against_writing(spark: SparkSession, is_large: bool) -> None:
    for what, rows, expected in CASES:
        candidates = frame(spark, [candidate_row()], SCHEMA)
        joined = join_suppressions(candidates, frame(spark, rows, SUPPRESSIONS), is_large)
        assert joined.columns == [*candidates.columns, "suppressed_by"]
        assert [row.suppressed_by for row in joined.collect()] == [expected], what


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
