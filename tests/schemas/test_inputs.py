"""What the decoder is told about the input records."""

from __future__ import annotations

from pyspark.sql import types as t

from schemas.inputs import EVENTS, INPUTS, KNOWN_VERSIONS, TRIGGERS
from schemas.topics import load_topics


def test_triggers() -> None:
    assert TRIGGERS.ids == ("trigger_id", "campaign_id", "customer_id")
    assert TRIGGERS.times == ("occurred_at",)
    assert TRIGGERS.optional_times == ("expires_at",)
    assert TRIGGERS.object_field == "data"


def test_events() -> None:
    assert EVENTS.ids == ("event_id", "customer_id", "type")
    assert EVENTS.times == ("occurred_at",)
    assert EVENTS.optional_times == ()
    assert EVENTS.object_field == "properties"


def test_struct_of_the_decoded_record() -> None:
    assert TRIGGERS.struct() == t.StructType(
        [
            t.StructField("trigger_id", t.StringType()),
            t.StructField("campaign_id", t.StringType()),
            t.StructField("customer_id", t.StringType()),
            t.StructField("occurred_at", t.TimestampType()),
            t.StructField("data", t.StringType()),
            t.StructField("expires_at", t.TimestampType()),
            t.StructField("schema_version", t.LongType()),
        ]
    )


def test_the_version_is_the_topics() -> None:
    versions = {row.name: row.version for row in load_topics()}
    assert all(versions[row.topic] in KNOWN_VERSIONS for row in INPUTS)
