"""Where topics begin and end, as a reader of committed records sees them.

Invariant: asked of the brokers, not of any consumer's position.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.errors import ServerError

_TIMEOUT_S = 30.0
_NO_LEADER = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)


class Bounds(NamedTuple):
    """The first offset of a partition, and the one behind its last."""

    first: int
    end: int


def find_bounds(client: dict[str, str], topics: Iterable[str]) -> dict[str, dict[str, Bounds]]:
    """The bounds by topic and partition. Raises `ServerError`."""
    consumer = Consumer({**client, "group.id": "carillon-bounds", "log_level": "2"})
    topic = ""
    try:
        found: dict[str, dict[str, Bounds]] = {}
        for topic in topics:
            described = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if described.error is not None:
                raise KafkaException(described.error)
            places = [TopicPartition(topic, number) for number in described.partitions]
            found[topic] = {str(place.partition): watermarks(consumer, place) for place in places}
        return found
    except KafkaException as error:
        raise ServerError(
            f"the topic '{topic}' could not be read: {error.args[0].str()}. Check kafka.bootstrap_servers."
        ) from None
    finally:
        consumer.close()


def watermarks(consumer: Consumer, place: TopicPartition) -> Bounds:
    """The bounds of one partition. Asked again while it has no leader; reading waits for one by itself, this question
    does not. Raises `KafkaException`."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return Bounds(*consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S))
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
