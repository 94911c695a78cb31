"""The AsyncAPI 3.0 document of all topics, built from the topics' YAML, the records' JSON Schemas and the
examples.

Invariant: it says nothing that a topic's YAML or a record's model does not say. It does not describe servers:
they differ per environment and stand in conf/.
"""

from __future__ import annotations

import re
from typing import Any

from schemas.messages.examples import load_example
from schemas.topics import Header, Topic, load_topics

API_VERSION = "1.0.0"  # the contract's version: minor for additions, major for breaks


def asyncapi_document(record_schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The document as plain data, in the order of the topics."""
    topics = load_topics()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "carillon",
            "version": API_VERSION,
            "description": "Triggers and events in, rendered send batches out. See docs/contract.md.",
        },
        "defaultContentType": "application/json",
        "channels": {_identifier(topic.name): _channel(topic) for topic in topics},
        "operations": {_operation_id(topic): _operation(topic) for topic in topics},
        "components": {
            "messages": {_identifier(topic.name): _message(topic) for topic in topics},
            "schemas": {name: _component(name, schema) for name, schema in record_schemas.items()},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    config = {key: value for key, value in topic.config.items() if key in _KAFKA_BINDING}
    return {
        "address": topic.name,
        "description": topic.purpose.strip(),
        "messages": {"record": {"$ref": f"#/components/messages/{_identifier(topic.name)}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {key: _KAFKA_BINDING[key](value) for key, value in config.items()},
                "bindingVersion": "0.5.0",
            }
        },
        "x-producers": list(topic.producers),
        "x-consumers": list(topic.consumers),
        "x-partitioning": topic.partitioning.strip(),
    }


# The settings that version 0.5.0 of the Kafka binding knows, and how it types them.
_KAFKA_BINDING: dict[str, Any] = {
    "cleanup.policy": lambda value: value.split(","),
    "retention.ms": int,
    "max.message.bytes": int,
    "delete.retention.ms": int,
}


def _operation(topic: Topic) -> dict[str, Any]:
    channel = _identifier(topic.name)
    return {
        # Seen from Carillon: it receives what comes in and sends what goes out.
        "action": "receive" if topic.direction == "in" else "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/record"}],
    }


def _message(topic: Topic) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": topic.name,
        "contentType": topic.content_type,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"}
        },
    }
    if topic.headers:
        message["headers"] = {
            "type": "object",
            "required": [header.name for header in topic.headers if header.is_required],
            "properties": {header.name: _header(header) for header in topic.headers},
        }
    if topic.value_schema is None:
        message["payload"] = {
            "description": "The original record's value, byte for byte; none when it was left out."
        }
        return message
    message["payload"] = {"$ref": f"#/components/schemas/{topic.value_schema}"}
    message["examples"] = []
    for file_name in topic.examples:
        example = load_example(file_name)
        entry: dict[str, Any] = {"name": file_name.removesuffix(".json"), "payload": example.value}
        if example.headers:
            entry["headers"] = example.headers
        message["examples"].append(entry)
    return message


def _header(header: Header) -> dict[str, Any]:
    return {"type": "string", "description": header.value}


def _component(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A record's schema with references that resolve inside this document."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: value.replace("#/$defs/", f"#/components/schemas/{name}/$defs/")
                if key == "$ref"
                else rewrite(value)
                for key, value in node.items()
            }
        return [rewrite(item) for item in node] if isinstance(node, list) else node

    plain = {key: value for key, value in schema.items() if key not in ("$schema", "$comment")}
    rewritten: dict[str, Any] = rewrite(plain)
    return rewritten


def _identifier(topic_name: str) -> str:
    """AsyncAPI wants identifiers without dots: `email.send-batches` → `email_send_batches`."""
    return re.sub(r"[^A-Za-z0-9]", "_", topic_name)


def _operation_id(topic: Topic) -> str:
    return f"{'read' if topic.direction == 'in' else 'publish'}_{_identifier(topic.name)}"
