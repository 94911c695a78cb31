"""What is on a send topic for whoever reads committed: how many batches and messages, and, of small runs, the messages.

Invariant: counts by the headers of the records, in the way a sender reads; aborted transactions do not count. Whoever
measured a side asks here whether it delivered what it should. Not part of any measured time.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition


@dataclass(frozen=True)
class Delivered:
    """Committed records of one topic, their messages, and the bytes of their values."""

    batches: int
    messages: int
    bytes: int


class NotDeliveredError(Exception):
    """A side was timed and did not deliver what it should have."""


def read_committed(client: Mapping[str, str], topic: str, timeout_s: float = 60.0) -> Iterator[Message]:
    """The committed records, to the topic's end. Raises `TimeoutError` when nothing comes for so long."""
    consumer = Consumer(
        {
            **client,
            "group.id": f"carillon-bench-{uuid.uuid4().hex}",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "enable.partition.eof": "true",
            "queued.max.messages.kbytes": "65536",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30.0).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        open_partitions, heard = set(partitions), time.monotonic()
        while open_partitions:
            # It waits for all 50 of them, or for the time given.
            found = consumer.consume(num_messages=50, timeout=0.1)
            if found:
                heard = time.monotonic()
            elif time.monotonic() - heard > timeout_s:
                raise TimeoutError(f"{topic}: nothing was read for {timeout_s:.0f} s")
            for message in found:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                elif not error.retriable():
                    raise KafkaException(error)
    finally:
        consumer.close()


def count_delivered(client: Mapping[str, str], topic: str) -> Delivered:
    """By the `message_count` of each batch."""
    batches = messages = size = 0
    for record in read_committed(client, topic):
        batches += 1
        messages += int(dict(record.headers() or [])["message_count"])
        size += len(record.value() or b"")
    return Delivered(batches, messages, size)


def check_delivered(client: Mapping[str, str], topic: str, expected: int, side: str) -> Delivered:
    """Raises `NotDeliveredError` unless exactly so many messages are committed."""
    found = count_delivered(client, topic)
    if found.messages != expected:
        raise NotDeliveredError(
            f"{side}: {found.messages:,} messages are committed on {topic}; expected {expected:,}"
        )
    return found


def read_messages(client: Mapping[str, str], topic: str) -> dict[str, dict[str, Any]]:
    """The messages by their id; for small runs."""
    found = {}
    for record in read_committed(client, topic):
        for message in json.loads(record.value() or b"")["messages"]:
            found[message["message_id"]] = message
    return found
