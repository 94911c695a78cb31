"""What a committed reader sees of a topic, from its start to its end as it is now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from pipelines.edges.bounds import watermarks


def read_committed(client: Mapping[str, str], topic: str, timeout_s: float = 60.0) -> list[Any]:
    """All committed records, of each partition in its order; fails when the end is not reached in time."""
    consumer = Consumer(
        {
            **client,
            "group.id": "tests",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "enable.partition.eof": "true",
            "fetch.wait.max.ms": "20",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
        ends = {}
        for number in partitions:
            ends[number] = watermarks(consumer, TopicPartition(topic, number)).end
        waiting = {number for number, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in waiting])
        records: list[Any] = []
        deadline = time.monotonic() + timeout_s
        while waiting:
            assert time.monotonic() < deadline, (
                f"{topic}: partitions {sorted(waiting)} were not read to their end"
            )
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                waiting.discard(message.partition())
            else:
                raise AssertionError(error)
        return records
    finally:
        consumer.close()


def is_empty(client: Mapping[str, str], topic: str) -> bool:
    """Whether nothing was ever written to it, committed or not; tells in milliseconds."""
    consumer = Consumer({**client, "group.id": "tests"})
    try:
        partitions = consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        return not any(watermarks(consumer, place).end for place in places)
    finally:
        consumer.close()
