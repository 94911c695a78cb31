"""Suppression at the moment of the decision: by customer, address and domain, lifted, per channel, and for good."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from pipelines.decode import EVENTS, decode_records, select_events
from pipelines.suppression import (
    Suppressions,
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
    arrow,
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


def said(candidates: list[Row], changes: list[Row]) -> dict[str, str | None]:
    """What stands against writing, by decision."""
    asking = arrow(candidates, SCHEMA)
    told = Suppressions(pa.Table.from_pylist(changes, table("suppressions").arrow_schema()))
    return dict(zip(asking["decision_id"].to_pylist(), told.said_of(asking).to_pylist(), strict=True))


def test_what_stands_against_writing() -> None:
    candidates, changes, expected = [], [], {}
    for number, (what, rows, words) in enumerate(CASES):
        who = f"c-{number}"
        person = audience_row(who, email=f"{who}@{who}.example.org")
        candidates.append(candidate_row(decision_id=what, customer_id=who, customer=person))
        expected[what] = words
        for one in rows:
            text = one["text"].replace("{who}", who).replace("{WHO}", who.upper())
            rest = {name: value for name, value in one.items() if name not in ("kind", "text")}
            changes.append(suppression_row(one["kind"], text, **rest))
    assert said(candidates, changes) == expected
    # In whatever order the rows come.
    assert said(candidates[::-1], changes[::-1]) == expected


def test_each_channel_has_its_address_and_nobody_is_lost_or_doubled() -> None:
    rows = [
        candidate_row(decision_id="d-1"),
        candidate_row(decision_id="d-2", channel="sms"),
        candidate_row(decision_id="d-3", channel=None),
        candidate_row(decision_id="d-4", customer_id="c-9", customer=None),
        candidate_row(decision_id="d-5", customer_id="c-8", customer=audience_row("c-8", email=None)),
        candidate_row(decision_id="d-6", customer_id=None, customer=None),
    ]
    changes = [
        suppression_row("address", "+12025550101"),
        suppression_row("customer", "c-9"),
        suppression_row("address", "+12025550101", cause="complaint", channel="sms"),
    ]
    assert said(rows, changes) == {
        "d-1": None,
        "d-2": "hard_bounce (address), 2026-03-01T08:30:00Z",
        "d-3": None,
        "d-4": "hard_bounce (customer), 2026-03-01T08:30:00Z",
        "d-5": None,
        "d-6": None,
    }
    assert set(said(rows, []).values()) == {None}


def test_of_several_the_customer_comes_before_the_address_and_every_channel_before_one() -> None:
    changes = [
        suppression_row("domain", "example.org", cause="manual"),
        suppression_row("address", "c-1@example.org", cause="complaint", channel="email"),
        suppression_row("address", "c-1@example.org", cause="manual", occurred_at=NOW - 9 * HOUR),
        suppression_row(channel="sms", occurred_at=NOW + HOUR),
    ]
    assert said([candidate_row()], changes) == {"d-1": "manual (address), 2026-03-01T00:30:00Z"}
    sms = candidate_row(channel="sms")
    assert said([sms], changes) == {"d-1": "hard_bounce (customer), 2026-03-01T10:30:00Z"}


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
    told = {r.event_id: (r.channel, r.is_suppressed, r.cause) for r in changes.collect()}
    assert told == {
        "e-0": (None, True, "complaint"),
        "e-1": ("email", False, "hard_bounce"),
        "e-2": (None, True, "erased"),
    }
    assert {r.value for r in changes.collect()} == {suppressed_value("customer", "c-1")}
    refused = select_unreadable_suppressions(events).collect()
    assert sorted(r.offset for r in refused) == [3, 4, 5]
    assert {r.reason for r in refused} == {"missing_field"}


def test_letters_that_look_alike_are_alike() -> None:
    composed, decomposed = "J\u00fcrgen@B\u00fccher.example", "Ju\u0308rgen@bu\u0308cher.example"
    assert suppressed_value("address", composed) == suppressed_value("address", decomposed)
    assert suppressed_value("address", composed) == suppressed_value(
        "address", "j\u00fcrgen@xn--bcher-kva.example"
    )
    spellings = ("B\u00fccher.example", "xn--bcher-kva.example", "bu\u0308cher.example")
    assert {suppressed_value("domain", one) for one in spellings} == {"xn--bcher-kva.example"}
    # What is no name of DNS is compared as it is.
    assert suppressed_value("domain", "\u00fc..x") == "\u00fc..x"
