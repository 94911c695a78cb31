"""What the commands that talk to Kafka share: a broker that answers, a topic that exists, a counted send.

Invariant: a broker that does not answer is one line within about ten seconds; `send` returns only when each
record is acknowledged, and says how many are not otherwise.
"""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from conf import Settings
from schemas.topics import TOPIC_NAMES, load_topics

BROKER_TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_S = 30.0


class BrokerError(Exception):
    """Kafka does not answer, has no such topic, or did not take a record; the text is for the user."""


def check_topic_name(topic: str) -> None:
    """BrokerError, with the closest name, unless `topic` is one of ours."""
    if topic not in TOPIC_NAMES:
        close = difflib.get_close_matches(topic, TOPIC_NAMES, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise BrokerError(f"unknown topic '{topic}'. {hint}Topics: {', '.join(TOPIC_NAMES)}")


def partitions(settings: Settings, topic: str) -> list[TopicPartition]:
    """The topic's partitions; BrokerError when no broker answers or it has no such topic."""
    servers = settings.kafka.bootstrap_servers
    client = AdminClient(connection(settings))
    try:
        found = client.list_topics(topic, timeout=BROKER_TIMEOUT_S).topics[topic]
    except KafkaException as problem:
        raise BrokerError(
            f"no answer from Kafka at {servers} in {BROKER_TIMEOUT_S:.0f} s ({problem.args[0].str()}). "
            "Is it running, and is kafka.bootstrap_servers right? `make dev` starts a local one."
        ) from None
    if found.error is not None:
        raise BrokerError(
            f"Kafka at {servers} cannot serve topic '{topic}': {found.error.str()}. Create it first."
        )
    return [TopicPartition(topic, number) for number in sorted(found.partitions)]


def send(settings: Settings, records: Iterable[tuple[str, bytes | None, bytes | None]]) -> Counter[str]:
    """Send (topic, key, value) records in order; how many each topic took. BrokerError unless all were."""
    taken: Counter[str] = Counter()
    refused: list[str] = []

    def settle(error: KafkaError | None, message: Any) -> None:
        if error is None:
            taken[message.topic()] += 1
        else:
            refused.append(f"{message.topic()}: {error.str()}")

    producer = Producer(
        {
            **connection(settings),
            "enable.idempotence": True,
            "linger.ms": 20,
            # The largest record any of our topics takes; the broker's own limit holds per topic.
            "message.max.bytes": max(topic.max_message_bytes for topic in load_topics()),
            "message.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
        }
    )
    for topic, key, value in records:
        while True:
            try:
                producer.produce(topic, value=value, key=key, on_delivery=settle)
                break
            except BufferError:
                producer.poll(0.1)  # librdkafka's queue is full: let it drain
            except KafkaException as problem:  # larger than message.max.bytes, say
                refused.append(f"{topic}: {problem.args[0].str()}")
                break
        producer.poll(0)
    deadline = time.monotonic() + DELIVERY_TIMEOUT_S + BROKER_TIMEOUT_S
    while producer.flush(1.0) and time.monotonic() < deadline:
        pass
    left = len(producer)
    if refused or left:
        reasons = "; ".join(f"{number:,} x {reason}" for reason, number in Counter(refused).most_common(3))
        raise BrokerError(
            f"{len(refused) + left:,} records were not taken by Kafka at {settings.kafka.bootstrap_servers}, "
            f"{taken.total():,} were. {reasons or 'No answer.'}"
        )
    return taken


def connection(settings: Settings) -> dict[str, Any]:
    """librdkafka's connection properties, without its own log: what goes wrong is reported once, by us."""
    return {**settings.kafka.librdkafka(), "log_level": 2}
