"""Full-contract rows with invented content; a test names only the columns that it is about.

Invariant: every column of the contract is there, in its order, so that a whole-frame comparison is one with
the contract. Nobody here exists: example.org, +1 202 555 01xx.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.campaigns import Campaign
from pipelines.decide.rows import JOINED
from pipelines.decode import TRIGGERS
from pipelines.suppression import suppressed_value
from schemas.ddl import arrow_type
from schemas.tables import table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Row = dict[str, Any]

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)

#: What Spark's Kafka source hands over.
KAFKA_SCHEMA = (
    "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, "
    "timestampType int"
)
#: Candidates as they leave `identify_candidates`.
CANDIDATE_SCHEMA = (
    "decision_id string, message_id string, source string, source_id string, campaign_id string, "
    "campaign_version string, campaign_status string, consent_topic string, channel string, "
    "customer_id string, send_partition int, occurred_at timestamp, expires_at timestamp, "
    "data string, origin string, policy string"
)
TEMPLATES: Mapping[str, str] = {
    "email/subject.en.txt.j2": "Hello {{ customer.first_name }}",
    "email/html.en.html.j2": "<p>{{ customer.first_name }}</p>",
    "email/text.en.txt.j2": "Hello {{ customer.first_name }}",
    "sms/text.en.txt.j2": "Hi {{ customer.first_name }}",
    "push/title.en.txt.j2": "Hi {{ customer.first_name }}",
    "push/body.en.txt.j2": "Body",
}


def customer_schema() -> str:
    """The type of the struct `customer`."""
    return f"struct<{', '.join(f'{c.name} {c.type}' for c in table('audience').columns)}>"


def joined_schema() -> str:
    """Candidates with their customer and what is joined to them, as `pipelines.decide` takes them."""
    added = ", ".join(f"{name} {kind}" for name, kind in JOINED.items() if name != "policy")
    return f"{CANDIDATE_SCHEMA}, customer {customer_schema()}, {added}"


def consent(channel: str, topic: str, granted: bool) -> Row:
    return {"channel": channel, "topic": topic, "granted": granted}


def audience_row(customer_id: str = "c-1", **changes: Any) -> Row:
    """A customer who can be reached on every channel and consented to everything."""
    row: Row = {
        "customer_id": customer_id,
        "email": f"{customer_id}@example.org",
        "phone": "+12025550101",
        "push_token": f"token-{customer_id}",
        "first_name": "Ann",
        "last_name": "Example",
        "locale": "en",
        "time_zone": "Europe/Vienna",
        "country": "AT",
        "preferred_channel": "email",
        "birth_date": date(1990, 2, 28),
        "signup_at": NOW - 1000 * HOUR,
        "lifetime_value": Decimal("12.50"),
        "loyalty_points": 7,
        "segments": ["loyal"],
        "recent_orders": [],
        "consents": [
            consent(channel, topic, True)
            for channel in ("email", "sms", "push")
            for topic in ("marketing", "reminders", "transactional")
        ],
        "invalid_channels": [],
    }
    return _changed(row, changes)


def trigger(trigger_id: str = "t-1", **changes: Any) -> Row:
    """A trigger as its producer writes it; a change to `...` removes the field."""
    row: Row = {
        "trigger_id": trigger_id,
        "campaign_id": "welcome",
        "customer_id": "c-1",
        "occurred_at": "2026-03-01T09:00:00Z",
        "data": {"plan": "basic"},
    }
    return {name: value for name, value in (row | changes).items() if value is not ...}


def event(event_id: str = "e-1", **changes: Any) -> Row:
    """A customer event as its producer writes it; a change to `...` removes the field."""
    row: Row = {
        "event_id": event_id,
        "customer_id": "c-1",
        "type": "order.delivered",
        "occurred_at": "2026-03-01T09:00:00Z",
        "properties": {"total": 12.5},
    }
    return {name: value for name, value in (row | changes).items() if value is not ...}


def consent_event(event_id: str = "e-1", *, properties: Any = None, **changes: Any) -> Row:
    """A customer's word; withdraws reminders by email unless told otherwise."""
    said = consent("email", "reminders", False) if properties is None else properties
    return event(event_id, type="consent.changed", properties=said, **changes)


def as_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def kafka_row(document: Any, topic: str = TRIGGERS.topic, offset: int = 0, **changes: Any) -> Row:
    """One record of the source; bytes (or None) are the value as it is, anything else is written as JSON."""
    row: Row = {
        "key": b"c-1",
        "value": document if isinstance(document, bytes | None) else as_json(document),
        "topic": topic,
        "partition": 0,
        "offset": offset,
        "timestamp": NOW,
        "timestampType": 0,
    }
    return _changed(row, changes)


def candidate_row(**changes: Any) -> Row:
    """A candidate who passes every gate, with what the joins before the gates add."""
    row: Row = {
        "decision_id": "d-1",
        "message_id": "m-1",
        "source": "trigger",
        "source_id": "t-1",
        "campaign_id": "welcome",
        "campaign_version": "digest-1",
        "campaign_status": "active",
        "consent_topic": "reminders",
        "channel": "email",
        "customer_id": "c-1",
        "send_partition": 0,
        "occurred_at": NOW - HOUR,
        "expires_at": None,
        "data": "{}",
        "origin": f"{TRIGGERS.topic}/0/0",
        "policy": None,
        "customer": audience_row(),
        "is_repeated": False,
        "granted": True,
        "suppressed_by": None,
        "cancelled_by": None,
        "entries": None,
        "sent_before": None,
        "is_due": None,
        "has_turn": None,
        "outside_of": None,
        "rate_free_at": None,
        "run": None,
    }
    return _changed(row, changes)


def ledger_row(**changes: Any) -> Row:
    """A sent decision."""
    row: Row = {
        "decision_id": "d-1",
        "stage": "decide",
        "pipeline": "triggered",
        "unit": 0,
        "source": "trigger",
        "source_id": "t-1",
        "campaign_id": "welcome",
        "campaign_version": "digest-1",
        "customer_id": "c-1",
        "channel": "email",
        "message_id": "m-1",
        "decision": "sent",
        "reason": None,
        "detail": None,
        "gates": [],
        "locale": "en",
        "variant": None,
        "send_partition": 0,
        "audience_version": 1,
        "occurred_at": NOW - HOUR,
        "expires_at": None,
        "due_at": None,
        "priority": None,
        "category": None,
        "decided_at": NOW,
        "data": "{}",
        "run": None,
        "decided_date": NOW.date(),
    }
    return _changed(row, changes)


def hold_row(hold_id: str = "h-1", due_at: datetime = NOW, **changes: Any) -> Row:
    """A row of the table `holds`: an open hold of the stream for its turn, made as it fell due."""
    made: Row = {
        "hold_id": hold_id,
        "state": "open",
        "owner": "triggered-holds",
        "due_at": due_at,
        "due_date": due_at.date(),
        "source": "event",
        "source_id": hold_id,
        "campaign_id": "letter",
        "channel": "sms",
        "customer_id": "c-1",
        "occurred_at": NOW,
        "priority": 50,
        "held_at": NOW,
        "reason": "held_rate",
    }
    return _changed({**dict.fromkeys(table("holds").column_names), **made}, changes)


def closing_row(opened: Row) -> Row:
    """The row that says of a hold that it is closed: it names the hold alone."""
    kept = ("hold_id", "owner", "due_at", "due_date")
    return dict.fromkeys(opened) | {name: opened[name] for name in kept} | {"state": "closed"}


def change_row(customer_id: str = "c-1", **changes: Any) -> Row:
    """A row of the table `consents`: a withdrawal an hour ago."""
    row: Row = {
        "customer_id": customer_id,
        "channel": "email",
        "topic": "reminders",
        "granted": False,
        "occurred_at": NOW - HOUR,
        "event_id": "e-1",
        "recorded_pipeline": "triggered",
        "recorded_unit": 0,
    }
    return _changed(row, changes)


def suppression_row(kind: str = "customer", text: str = "c-1", **changes: Any) -> Row:
    """A row of the table `suppressions`: a hard bounce an hour ago, on every channel."""
    row: Row = {
        "kind": kind,
        "value": suppressed_value(kind, text),
        "channel": None,
        "is_suppressed": True,
        "cause": "hard_bounce",
        "occurred_at": NOW - HOUR,
        "event_id": "e-1",
        "recorded_by": "triggered",
    }
    return _changed(row, changes)


def make_campaign(templates: Mapping[str, str | None] | None = None, /, **keys: Any) -> Campaign:
    """A campaign fired by explicit triggers; None removes a template, keyword arguments replace keys."""
    merged = {**TEMPLATES, **(templates or {})}
    content: Row = {
        "campaign_id": "welcome",
        "name": "Welcome",
        "topic": "reminders",
        "kind": "triggered",
        "trigger": {"explicit": True},
        "data": {"plan": "string"},
        "channels": ["email", "sms"],
        "default_locale": "en",
        "templates": {path: text for path, text in merged.items() if text is not None},
    }
    return Campaign.model_validate({**content, **keys})


def event_campaign(when: str | None = None, /, **keys: Any) -> Campaign:
    """A campaign that `order.delivered` fires."""
    rule = {"event": "order.delivered"} | ({"when": when} if when else {})
    return make_campaign(
        None, **({"campaign_id": "delivered", "trigger": rule, "data": {"total": "double"}} | keys)
    )


def scheduled_campaign(where: str = "true", /, **keys: Any) -> Campaign:
    """A campaign for an audience."""
    fixed: Row = {
        "campaign_id": "letter",
        "kind": "scheduled",
        "trigger": None,
        "data": {},
        "topic": "marketing",
    }
    return make_campaign(None, **(fixed | {"audience": {"where": where}} | keys))


def frame(spark: SparkSession, rows: Iterable[Row], schema: Any) -> DataFrame:
    """The rows as a frame of the schema, columns by name."""
    from pyspark.sql.types import DataType, StructType

    parsed = DataType.fromDDL(schema) if isinstance(schema, str) else schema
    assert isinstance(parsed, StructType)
    names = parsed.names
    return spark.createDataFrame([tuple(_plain(row[name], name) for name in names) for row in rows], parsed)


def arrow(rows: Iterable[Row], schema: str) -> pa.Table:
    """The rows as an Arrow table of the schema, columns by name."""
    import pyarrow as pa

    fields = [pa.field(part.name, part.type) for part in arrow_type(f"struct<{schema}>")]
    plain = [{field.name: _plain(row[field.name], field.name) for field in fields} for row in rows]
    return pa.Table.from_pylist(plain, schema=pa.schema(fields))


def _plain(value: Any, name: str) -> Any:
    """Rules are written as they travel: as text."""
    return json.dumps(value) if name == "policy" and isinstance(value, dict) else value


def _changed(row: Row, changes: Row) -> Row:
    unknown = set(changes) - set(row)
    if unknown:
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}. Columns: {', '.join(row)}")
    return row | changes
