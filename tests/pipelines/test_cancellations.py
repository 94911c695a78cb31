"""Events that drop waiting messages: whose, since when, and about what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.cancellations import cancelled_by, cancelled_with
from schemas.tables import table
from tests.builders import CANDIDATE_SCHEMA, HOUR, NOW, Row, arrow, candidate_row

INSTANT = timedelta(microseconds=1)
AT = NOW - HOUR  # when a candidate of the builders was triggered


def cancelling(**changes: Any) -> Row:
    row: Row = {
        "campaign_id": "welcome",
        "customer_id": "c-1",
        "property": None,
        "value": None,
        "event_type": "order.refunded",
        "event_id": "e-1",
        "occurred_at": NOW,
    }
    return row | changes


def said(events: list[Row], **changes: Any) -> str | None:
    asked = arrow([candidate_row(**changes)], CANDIDATE_SCHEMA)
    told = pa.Table.from_pylist(events, table("cancellations").arrow_schema())
    (found,) = cancelled_by(asked, told, NOW).to_pylist()
    return found  # type: ignore[no-any-return]


def test_whose_and_since_when() -> None:
    assert said([]) is None
    assert said([cancelling()]) == "order.refunded e-1 2026-03-01T09:30:00Z"
    assert said([cancelling(campaign_id="other"), cancelling(customer_id="c-2")]) is None
    # A trigger of the same moment is dropped, a younger one is not.
    assert said([cancelling(occurred_at=AT)]) == "order.refunded e-1 2026-03-01T08:30:00Z"
    assert said([cancelling(occurred_at=AT - INSTANT)]) is None
    events = [
        cancelling(event_id="e-3"),
        cancelling(occurred_at=AT, event_id="e-2"),
        cancelling(event_id="e-0"),
    ]
    assert said(events) == said(events[::-1]) == "order.refunded e-2 2026-03-01T08:30:00Z"
    assert said([cancelling()], customer_id=None, customer=None) is None


def test_a_trigger_from_the_future_is_of_now_or_of_when_it_was_held() -> None:
    late: Row = {"occurred_at": NOW + HOUR}
    assert said([cancelling()], **late) == "order.refunded e-1 2026-03-01T09:30:00Z"
    assert said([cancelling(occurred_at=NOW - INSTANT)], **late) is None
    asked = arrow([candidate_row(**late)], CANDIDATE_SCHEMA)
    held = asked.append_column("held_at", pa.array([AT], asked["occurred_at"].type))
    told = pa.Table.from_pylist([cancelling(occurred_at=AT)], table("cancellations").arrow_schema())
    assert cancelled_by(held, told, NOW + HOUR).to_pylist() == ["order.refunded e-1 2026-03-01T08:30:00Z"]


def test_an_event_does_not_drop_the_message_that_it_has_fired() -> None:
    own: Row = {"source": "event", "source_id": "e-1"}
    assert said([cancelling()], **own) is None
    assert (
        said([cancelling(), cancelling(event_id="e-2")], **own) == "order.refunded e-2 2026-03-01T09:30:00Z"
    )
    assert said([cancelling()], **own | {"source_id": "e-0"}) == "order.refunded e-1 2026-03-01T09:30:00Z"
    assert said([cancelling()], **own | {"source": "trigger"}) == "order.refunded e-1 2026-03-01T09:30:00Z"


#: Values of a property, as producers write them.
VALUES = (
    '"o-1"',
    '"7"',
    "7",
    "7.0",
    "7.50",
    "-0",
    "1e3",
    "true",
    "false",
    '"é \\" 🙂"',
    "[1,2]",
    '{"a": 1.50}',
    '""',
)


def test_about_what_as_spark_reads_the_events(spark: SparkSession) -> None:
    documents = [f'{{"order_id": {value}, "other": 1}}' for value in VALUES]
    rows = spark.createDataFrame([(one,) for one in documents], "data string")
    values = [row[0] for row in rows.select(F.get_json_object("data", "$.order_id")).collect()]
    for value, document in zip(values, documents, strict=True):
        event = cancelling(property="order_id", value=value)
        assert said([event], data=document), document
        assert said([event], data='{"order_id": "another", "other": 1}') is None, document
        for data in ("{}", "[]", None, '{"order_id": null}'):
            assert said([event], data=data) is None
    # A number that is written another way is the same number; a word is not a number.
    assert said([cancelling(property="n", value="7.5")], data='{"n": 7.50}')
    assert said([cancelling(property="n", value="true")], data='{"n": 1}') is None
    assert said([cancelling(property="n", value="x")], data='{"n": 1}') is None
    # An event that does not say what it is about is about nothing.
    assert said([cancelling(property="n", value=None)], data=json.dumps({"n": None})) is None


def test_what_a_cancelled_run_has_held() -> None:
    rows = pa.table({"run": ["run-letter-r-1", "run-letter-r-1.make-up", None]})
    found = cancelled_with(rows, ["run-letter-r-1"])
    assert found.to_pylist() == ["the run was cancelled: run-letter-r-1", None, None]
