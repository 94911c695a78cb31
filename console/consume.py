"""`carillon consume`: the committed records of one topic, one line each.

Invariant: it joins no group and commits nothing, so looking changes nothing; records of aborted transactions
are not shown. Values are shown whole: mind where the output goes.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from conf import Settings

_PREVIEW_CHARACTERS = 160


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("consume")(consume)


def consume(
    topic: Annotated[str, typer.Argument(help="Topic, such as email.send-batches.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Old records first.")] = False,
    records_max: Annotated[int | None, typer.Option("--max", min=1, help="Stop after that many.")] = None,
    until_idle: Annotated[
        float | None, typer.Option(min=0, help="Stop after that many seconds without a record.")
    ] = None,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Print the records of a topic until Ctrl-C."""
    from conf import load

    settings = load(env)
    show = _json_line if as_json else _plain_line
    for record in read_topic(
        settings, topic, from_beginning=from_beginning, records_max=records_max, idle_s=until_idle
    ):
        sys.stdout.write(show(record) + "\n")
        sys.stdout.flush()


def read_topic(
    settings: Settings,
    topic: str,
    *,
    from_beginning: bool = True,
    records_max: int | None = None,
    idle_s: float | None = None,
) -> Iterator[dict[str, Any]]:
    """The topic's records as objects with topic, partition, offset, timestamp_ms, key, headers and value.

    A value that is not JSON comes as `value_text`, one that is not text as `value_base64`, none as null.
    """
    from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, TopicPartition

    from console.broker import BrokerError, connection, partitions
    from pipelines.edges.meeting import meet_brokers

    places = partitions(settings, topic)
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    consumer = Consumer(
        {
            **connection(settings),
            "group.id": "carillon-consume",  # librdkafka wants one; assigning by hand joins no group
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            # The end is told when nothing has come for so long.
            "fetch.wait.max.ms": 100,
        }
    )
    meet_brokers(consumer, topic)
    try:
        consumer.assign([TopicPartition(topic, place.partition, start) for place in places])
        at_end: set[int] = set()
        read, idle_since = 0, time.monotonic()
        while records_max is None or read < records_max:
            message = consumer.poll(0.1)
            if message is None:
                # Idle only at the end of every partition: a slow broker is not an end.
                if len(at_end) < len(places):
                    idle_since = time.monotonic()
                elif idle_s is not None and time.monotonic() - idle_since >= idle_s:
                    partitions(settings, topic)  # nor is a broker that is gone
                    return
            elif message.error() is None:
                at_end.discard(message.partition())
                read, idle_since = read + 1, time.monotonic()
                yield describe(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
            elif message.error().fatal() or not message.error().retriable():
                raise BrokerError(f"Kafka at {settings.kafka.bootstrap_servers}: {message.error().str()}")
    finally:
        consumer.close()


def describe(message: Any) -> dict[str, Any]:
    """A confluent-kafka message as an object that JSON can hold without losing a byte."""
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp()[1],
        **_octets("key", message.key()),
        "headers": {name: _header(value) for name, value in message.headers() or []},
        **_value(message.value()),
    }


def _value(octets: bytes | None) -> dict[str, Any]:
    if octets is not None:
        try:
            return {"value": json.loads(octets.decode("utf-8"), parse_constant=_refuse)}
        except (ValueError, RecursionError):
            pass
    name, shown = next(iter(_octets("value", octets).items()))
    return {"value_text" if name == "value" and octets is not None else name: shown}


def _octets(name: str, octets: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if octets is None else octets.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(octets or b"").decode("ascii")}


def _header(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _json_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _plain_line(record: dict[str, Any]) -> str:
    """Place, key, headers and the beginning of the value, for reading along."""
    place = f"{record['topic']} {record['partition']}:{record['offset']}"
    value = next(record[name] for name in ("value", "value_text", "value_base64") if name in record)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _PREVIEW_CHARACTERS:
        text = f"{text[:_PREVIEW_CHARACTERS]}... ({len(text):,} characters)"
    headers = " ".join(f"{name}={value}" for name, value in record["headers"].items())
    return f"{place} key={record.get('key', record.get('key_base64'))} {headers} {text}".replace("  ", " ")
