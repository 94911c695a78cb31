"""Records become triggers, events or dead letters: each way to be malformed, each edge of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from examples.malformed import MALFORMED, noise
from pipelines.decode import (
    EVENTS,
    ID_CHARACTERS_MAX,
    RECORD_BYTES_MAX,
    TRIGGERS,
    decode_records,
    select_dead_letters,
    select_events,
    select_triggers,
)
from schemas import inputs
from tests.builders import KAFKA_SCHEMA, NOW, as_json, event, frame, kafka_row, trigger

AT = "2026-03-01T09:00:00Z"

#: What each kind of `examples.malformed` is refused for.
REASON_OF_KIND = {
    "not JSON": "not_json",
    "cut short": "not_json",
    "text after the object": "not_json",
    "two objects": "not_json",
    "bare null": "wrong_type",
    "not an object": "wrong_type",
    "missing trigger_id": "missing_field",
    "missing campaign_id": "missing_field",
    "missing customer_id": "missing_field",
    "missing occurred_at": "missing_field",
    "missing type": "missing_field",
    "null event_id": "missing_field",
    "wrong type: customer_id": "wrong_type",
    "wrong type: occurred_at": "wrong_type",
    "wrong type: expires_at": "wrong_type",
    "wrong type: data": "wrong_type",
    "wrong type: properties": "wrong_type",
    "unknown version": "unknown_version",
    "invalid UTF-8": "invalid_utf8",
    "empty value": "not_json",
    "null value": "not_json",
    "endless nesting": "not_json",
}


def padded(size: int) -> bytes:
    """A good trigger of exactly `size` bytes."""
    empty = as_json(trigger(data={"pad": ""}))
    return as_json(trigger(data={"pad": "x" * (size - len(empty))}))


#: What is refused beyond the malformed examples: (what, value, reason).
REFUSED: tuple[tuple[str, Any, str], ...] = (
    ("an id of one character too many", trigger("x" * (ID_CHARACTERS_MAX + 1)), "too_large"),
    ("noise", noise(1), "too_large"),
    ("an empty id", trigger(customer_id=""), "missing_field"),
    ("a record of one byte too many", padded(RECORD_BYTES_MAX + 1), "too_large"),
    ("junk after the document", as_json(trigger()) + b" junk", "not_json"),
    ("a second document", as_json(trigger()) + as_json(trigger()), "not_json"),
    ("a document and what would end an array", b"{}] junk", "not_json"),
    ("a closing bracket and more of an array", as_json(trigger()) + b"],[1", "not_json"),
    ("an element more", as_json(trigger()) + b",1", "not_json"),
    ("a document among elements", b'{},{"a":1}', "not_json"),
    ("a key twice", as_json(trigger())[:-1] + b',"trigger_id":"t-2"}', "not_json"),
    ("a key twice, deep inside", as_json(trigger(data=...))[:-1] + b',"data":{"a":1,"a":2}}', "not_json"),
    ("a byte order mark", b"\xef\xbb\xbf" + as_json(trigger()), "not_json"),
    ("an overlong UTF-8 form", as_json(trigger()).replace(b"basic", b"\xc0\xaf"), "invalid_utf8"),
    ("a lone surrogate in bytes", as_json(trigger()).replace(b"basic", b"\xed\xa0\x80"), "invalid_utf8"),
    ("NaN", as_json(trigger(data=...))[:-1] + b',"data":{"n":NaN}}', "not_json"),
    ("single quotes", as_json(trigger()).replace(b'"', b"'"), "not_json"),
    ("version as text", trigger(schema_version="1"), "unknown_version"),
    ("version as a fraction", trigger(schema_version=1.5), "unknown_version"),
    ("version 0", trigger(schema_version=0), "unknown_version"),
    ("version true", trigger(schema_version=True), "unknown_version"),
    ("version null", trigger(schema_version=None), "unknown_version"),
    ("data null", trigger(data=None), "missing_field"),
    ("data a text of JSON", trigger(data="{}"), "wrong_type"),
)
TIMES_REFUSED = (
    "2026",
    "2026-03-01",
    "2026-03-01T09:00:00",
    "2026-03-01 09:00:00Z",
    "2026-03-01T09:00Z",
    "2026-03-01T09:00:00+0100",
    "2026-03-01T09:00:00 Europe/Vienna",
    "2026-03-01T09:00:00.Z",
    "2026-03-01T09:00:00.1234567890Z",
    "2026-02-29T09:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T09:60:00Z",
    "2026-03-01T09:00:60Z",
    "2026-03-01T09:00:00+25:00",
    "2026-03-01T09:00:00+18:01",
    "2026-03-01T09:00:00+01:60",
    "2026-03-01T09:00:00Z\n",
    " 2026-03-01T09:00:00Z",
    "٢٠٢٦-03-01T09:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-12-31T23:59:59Z",
    "0001-01-01T00:00:00+10:00",
    "9999-01-01T00:00:00Z",
    "9999-12-31T23:59:59-10:00",
    "",
)
#: RFC 3339 texts and the instant they mean, in UTC.
TIMES_READ = (
    ("2026-03-01T09:00:00Z", "2026-03-01 09:00:00"),
    ("2026-03-01t09:00:00z", "2026-03-01 09:00:00"),
    ("2026-03-01T09:00:00+05:45", "2026-03-01 03:15:00"),
    ("2026-03-01T09:00:00-00:00", "2026-03-01 09:00:00"),
    ("2026-03-01T09:00:00+18:00", "2026-02-28 15:00:00"),
    ("2026-03-01T09:00:00.5Z", "2026-03-01 09:00:00.5"),
    ("2026-03-01T09:00:00.123456789Z", "2026-03-01 09:00:00.123456"),
    ("2024-02-29T23:59:59-12:00", "2024-03-01 11:59:59"),
    ("1969-12-31T23:59:59Z", "1969-12-31 23:59:59"),
    ("0002-01-01T00:00:00Z", "0002-01-01 00:00:00"),
    ("9998-12-31T23:59:59Z", "9998-12-31 23:59:59"),
)


def decode(spark: SparkSession, records: Iterable[tuple[str, Any]]) -> DataFrame:
    """Decoded records of (topic, value), numbered by their offset."""
    rows = [kafka_row(value, topic, number) for number, (topic, value) in enumerate(records)]
    return decode_records(frame(spark, rows, KAFKA_SCHEMA))


def reasons(decoded: DataFrame) -> dict[int, str]:
    refused = select_dead_letters(decoded).select("offset", "reason")
    return {row.offset: row.reason for row in refused.collect()}


def test_each_kind_of_malformed_record_is_refused_for_its_reason_bytes_kept(spark: SparkSession) -> None:
    made = [(one, one.make(number, AT)) for number, one in enumerate(MALFORMED)]
    rows = [kafka_row(value, one.topic, number) for number, (one, value) in enumerate(made)]
    decoded = decode_records(frame(spark, rows, KAFKA_SCHEMA))
    expected = [
        {**row, "stage": "decode", "reason": REASON_OF_KIND[one.kind]}
        for row, (one, _) in zip(rows, made, strict=True)
    ]
    schema = (
        "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary, "
        "stage string, reason string"
    )
    found = select_dead_letters(decoded)
    assert_df_equality(
        found.drop("detail"), frame(spark, expected, schema), ignore_row_order=True, ignore_nullable=True
    )
    assert found.where("detail IS NULL OR detail = ''").isEmpty()
    assert select_triggers(decoded).isEmpty()
    assert select_events(decoded).isEmpty()


def test_the_malformed_examples_cover_every_kind_listed_here() -> None:
    assert {one.kind for one in MALFORMED} == set(REASON_OF_KIND)


def test_what_else_is_refused(spark: SparkSession) -> None:
    found = reasons(decode(spark, [(TRIGGERS.topic, value) for _, value, _ in REFUSED]))
    assert {REFUSED[number][0]: reason for number, reason in found.items()} == {
        what: reason for what, _, reason in REFUSED
    }


def test_no_key_of_a_record_is_in_its_detail(spark: SparkSession) -> None:
    """A key may be an address as well as a value may."""
    address = {"ava@example.org": 1.5}
    wrong: tuple[Any, ...] = (address, [address], 1.25)
    records: list[tuple[str, Any]] = [(TRIGGERS.topic, [address])]
    for value in wrong:
        records += [(TRIGGERS.topic, trigger(**{name: value})) for name in ("customer_id", "occurred_at")]
        records += [(EVENTS.topic, event(type=value)), (EVENTS.topic, event(schema_version=value))]
        records += [(TRIGGERS.topic, trigger(data=[value])), (EVENTS.topic, event(properties=[value]))]
    found = select_dead_letters(decode(spark, records)).select("reason", "detail").collect()
    assert len(found) == len(records)
    assert [row.detail for row in found if "ava" in row.detail.lower()] == []
    kinds = {row.detail.rpartition(" ")[2] for row in found if row.detail.startswith("customer_id: ")}
    assert kinds == {"OBJECT", "ARRAY", "DECIMAL"}


def test_times_that_are_refused(spark: SparkSession) -> None:
    records = [(EVENTS.topic, event(occurred_at=text)) for text in TIMES_REFUSED]
    records += [(TRIGGERS.topic, trigger(expires_at=text)) for text in TIMES_REFUSED]
    found = reasons(decode(spark, records))
    assert found == dict.fromkeys(range(2 * len(TIMES_REFUSED)), "wrong_type")


def test_times_that_are_read(spark: SparkSession) -> None:
    records = [(TRIGGERS.topic, trigger(str(n), occurred_at=text)) for n, (text, _) in enumerate(TIMES_READ)]
    triggers = select_triggers(decode(spark, records))
    found = triggers.selectExpr("trigger_id", "CAST(occurred_at AS STRING) AS occurred_at")
    expected = [{"trigger_id": str(number), "occurred_at": utc} for number, (_, utc) in enumerate(TIMES_READ)]
    assert_df_equality(
        found,
        frame(spark, expected, "trigger_id string, occurred_at string"),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_good_triggers_keep_what_they_say(spark: SparkSession) -> None:
    data = {"text": 'é🙂\\ " \u0000 \u2028', "list": [1, 2.5, None, True], "deep": {"a": {"b": "c"}}}
    written = [
        trigger("x" * ID_CHARACTERS_MAX, data=data),
        trigger("🙂" * ID_CHARACTERS_MAX, data={}, expires_at=AT, schema_version=1),
        trigger("t-3", expires_at=None, unknown_field={"is": "ignored"}),
    ]
    values = [*map(as_json, written), padded(RECORD_BYTES_MAX), b" \n\t" + as_json(trigger("t-5")) + b"\r\n "]
    decoded = decode(spark, [(TRIGGERS.topic, value) for value in values])
    rows = sorted(select_triggers(decoded).collect(), key=lambda row: row.offset)
    read = [json.loads(value) for value in values]
    assert [(r.trigger_id, r.campaign_id, r.customer_id) for r in rows] == [
        (r["trigger_id"], r["campaign_id"], r["customer_id"]) for r in read
    ]
    assert [json.loads(row.data) for row in rows] == [record["data"] for record in read]
    assert [row.expires_at is None for row in rows] == [True, False, True, True, True]
    assert select_dead_letters(decoded).isEmpty()


def test_good_events_whole(spark: SparkSession) -> None:
    good = [event("e-1"), event("e-1", properties={}), event("e-2", type="a.b", customer_id="c-2")]
    decoded = decode(spark, [(EVENTS.topic, value) for value in good])
    expected = [
        {
            **kafka_row(value, EVENTS.topic, offset),
            **value,
            "occurred_at": NOW.replace(minute=0),
            "properties": json.dumps(value["properties"], separators=(",", ":")),
        }
        for offset, value in enumerate(good)
    ]
    schema = (
        "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary, "
        "event_id string, customer_id string, type string, occurred_at timestamp, properties string"
    )
    assert_df_equality(
        select_events(decoded), frame(spark, expected, schema), ignore_row_order=True, ignore_nullable=True
    )


def test_every_record_is_in_exactly_one_output(spark: SparkSession) -> None:
    records: list[tuple[str, Any]] = [(one.topic, one.make(1, AT)) for one in MALFORMED]
    records += [(TRIGGERS.topic, trigger(str(n))) for n in range(7)] + [(EVENTS.topic, event())]
    decoded = decode(spark, records)
    outputs = [select_triggers(decoded), select_events(decoded), select_dead_letters(decoded)]
    offsets = [row.offset for output in outputs for row in output.select("offset").collect()]
    assert sorted(offsets) == list(range(len(records)))


@pytest.mark.parametrize(("ours", "theirs"), [(TRIGGERS, inputs.TRIGGERS), (EVENTS, inputs.EVENTS)])
def test_the_contracts_read_are_the_contracts_published(ours: Any, theirs: inputs.Input) -> None:
    assert (ours.topic, set(ours.ids), ours.times) == (theirs.topic, set(theirs.ids), theirs.times)
    assert (ours.optional_times, ours.object_field) == (theirs.optional_times, theirs.object_field)
    assert (RECORD_BYTES_MAX, ID_CHARACTERS_MAX) == (inputs.RECORD_BYTES_MAX, inputs.ID_CHARACTERS_MAX)
