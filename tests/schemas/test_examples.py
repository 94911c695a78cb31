"""The example records against the generated JSON Schemas, the models, and a foreign CloudEvents reader."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas import reasons
from schemas.channels import CHANNELS, channel
from schemas.generate import record_schema
from schemas.messages import RECORDS, PushMessage
from schemas.messages.examples import load_example
from schemas.topics import Topic, load_topics, topic

EXAMPLES = [(row, name) for row in load_topics() for name in row.examples]
JSON_EXAMPLES = [(row, name) for row, name in EXAMPLES if row.value_schema]
IDS = [name for _, name in JSON_EXAMPLES]


def validator(name: str) -> Draft202012Validator:
    schema = record_schema(name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize(("row", "name"), JSON_EXAMPLES, ids=IDS)
def test_example_validates_in_both_ways(row: Topic, name: str) -> None:
    example = load_example(name)
    assert row.value_schema
    errors = [error.message for error in validator(row.value_schema).iter_errors(example.value)]
    assert errors == []
    record = RECORDS[row.value_schema].model_validate_json(example.value_bytes())
    # Nothing in the example is unknown to the model: unknown fields would be dropped on the way.
    assert json.loads(record.to_json()) == example.value


@pytest.mark.parametrize(("row", "name"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_example_headers_are_the_declared_ones(row: Topic, name: str) -> None:
    there = tuple(load_example(name).headers)
    assert there == tuple(one.name for one in row.headers if one.is_required or one.name in there)


def test_every_example_file_belongs_to_a_topic() -> None:
    folder = Path(__file__).parents[2] / "schemas" / "messages" / "examples"
    assert sorted(path.name for path in folder.glob("*.json")) == sorted(name for _, name in EXAMPLES)


def required_paths(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Paths of all required fields that the example holds."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, list):
        return [(0, *path) for path in required_paths(value[0], schema["items"], root)] if value else []
    if not isinstance(value, dict):
        return []
    paths: list[tuple[Any, ...]] = [(key,) for key in schema.get("required", [])]
    for key, inner in schema.get("properties", {}).items():
        if key in value:
            paths += [(key, *path) for path in required_paths(value[key], inner, root)]
    return paths


@pytest.mark.parametrize(("row", "name"), JSON_EXAMPLES, ids=IDS)
def test_each_required_field_is_missed(row: Topic, name: str) -> None:
    example = load_example(name).value
    assert row.value_schema
    schema = record_schema(row.value_schema)
    paths = required_paths(example, schema, schema)
    assert len(paths) >= 4
    for path in paths:
        broken = copy.deepcopy(example)
        node = broken
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]
        assert not validator(row.value_schema).is_valid(broken), path
        with pytest.raises(ValidationError):
            RECORDS[row.value_schema].model_validate_json(json.dumps(broken))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trigger", {"trigger_id": 17}),
        ("trigger", {"trigger_id": ""}),
        ("trigger", {"trigger_id": "x" * 257}),
        ("trigger", {"occurred_at": "yesterday"}),
        ("trigger", {"occurred_at": "2026-03-01T09:00:00"}),
        ("trigger", {"occurred_at": 1772355600}),
        ("trigger", {"data": "{}"}),
        ("trigger", {"data": None}),
        ("trigger", {"schema_version": 2}),
        ("trigger", {"schema_version": "1"}),
        ("customer-event", {"properties": []}),
        ("email-send-batch", {"messages": []}),
        ("email-send-batch", {"channel": "sms"}),
        ("sms-send-batch", {"unit": -1}),
        ("push-send-batch", {"unit": "1"}),
        ("delivery-event", {"type": "sent"}),
        ("progress-marker", {"chunk": 1.5}),
    ],
)
def test_wrong_values_are_refused_in_both_ways(name: str, change: dict[str, Any]) -> None:
    row = next(row for row in load_topics() if row.value_schema == name)
    broken = {**load_example(row.examples[0]).value, **change}
    assert not validator(name).is_valid(broken)
    with pytest.raises(ValidationError):
        RECORDS[name].model_validate_json(json.dumps(broken))


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_newer_writer_may_add_fields(name: str) -> None:
    row = next(row for row in load_topics() if row.value_schema == name)
    newer = {**load_example(row.examples[0]).value, "added_later": {"a": 1}}
    assert validator(name).is_valid(newer)
    RECORDS[name].model_validate_json(json.dumps(newer))


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_send_batches_are_cloud_events_to_a_foreign_reader(row: Any) -> None:
    example = load_example(topic(row.topic).examples[0])
    headers = {name: value.encode() for name, value in example.headers.items()}
    event = from_binary(
        KafkaMessage(headers=headers, key=example.key.encode(), value=example.value_bytes()), JSONFormat()
    )
    assert event.get_specversion() == "1.0"
    assert event.get_id() == example.value["batch_id"] == example.key
    assert event.get_type() == channel(row.name).batch_type
    assert event.get_source() == f"/carillon/{example.value['pipeline']}"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_time() is not None
    assert event.get_data() == example.value
    assert example.headers["campaign_id"] == example.value["campaign_id"]
    assert example.headers["message_count"] == str(len(example.value["messages"]))


def test_dead_letter_example_has_a_reason_of_the_closed_set() -> None:
    headers = load_example("dead-letter.json").headers
    assert headers["reason"] in reasons.codes_of("dead_letter")
    assert headers["source_topic"] in {row.name for row in load_topics() if row.direction == "in"}


def test_messages_have_what_every_channel_has() -> None:
    for row in CHANNELS:
        message = load_example(topic(row.topic).examples[0]).value["messages"][0]
        for part in row.content_parts:
            assert part.name in message, (row.name, part.name)
    assert set(PushMessage.model_fields) >= {"message_id", "customer_id", "locale", "variant", "token"}
