"""Dead letters as they lie on their topic: found by id, reason, source or time.

Invariant: reading changes nothing, and only what was committed is read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.dead_letters import TOPIC
from pipelines.errors import InputError, ServerError

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Letter:
    """One dead letter; `at_ms` is when it was put aside. Its value is a customer's: not for printing."""

    partition: int
    offset: int
    at_ms: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: dict[str, str]

    @property
    def id(self) -> str:
        """PARTITION:OFFSET of the dead letter's own topic."""
        return f"{self.partition}:{self.offset}"

    @property
    def left_out(self) -> str:
        """Which of key and value was too large for a letter, and where it is; empty when the letter is whole."""
        parts = [part for part in ("key", "value") if f"source_{part}_bytes" in self.headers]
        facts = [
            f"its {part} was too large for a letter ({int(self.headers[f'source_{part}_bytes']):,} bytes, SHA-256 "
            f"{self.headers[f'source_{part}_sha256']})"
            for part in parts
        ]
        where = "{source_topic}, partition {source_partition}, offset {source_offset}".format_map(
            self.headers
        )
        return f"{' and '.join(facts)}: it is in {where}, while that topic keeps it" if parts else ""


@dataclass(frozen=True)
class Wanted:
    """Which letters; everything that is given must hold."""

    ids: tuple[str, ...] = ()
    reason: str | None = None
    source_topic: str | None = None
    since_ms: int | None = None

    def matches(self, letter: Letter) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and (self.reason is None or letter.headers.get("reason") == self.reason)
            and (self.source_topic is None or letter.headers.get("source_topic") == self.source_topic)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
        )


def parse_id(text: str) -> tuple[int, int]:
    """(partition, offset) of an id. Raises `InputError`."""
    partition, colon, offset = text.partition(":")
    if not colon or not partition.isdecimal() or not offset.isdecimal():
        raise InputError(
            f"'{text}' is not the id of a dead letter: expected PARTITION:OFFSET, as `list` shows it."
        )
    return int(partition), int(offset)


def read_letters(client: dict[str, str], wanted: Wanted) -> Iterator[Letter]:
    """The committed letters that match, each partition's in its order, to the topic's end as it is now. Raises
    `ServerError` and, for an id that cannot be one, `InputError`."""
    places = [parse_id(one) for one in wanted.ids]
    consumer = Consumer(
        {
            **client,
            "group.id": "carillon-dead-letters",  # librdkafka wants one; assigning by hand joins none
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "enable.partition.eof": "true",
            # The end is told when nothing has come for so long.
            "fetch.wait.max.ms": "20",
            "log_level": "2",
        }
    )
    try:
        starts = _starts(consumer, wanted, places)
        consumer.assign(starts)
        for message in _to_end(consumer, {start.partition for start in starts}):
            letter = _letter(message)
            if wanted.matches(letter):
                yield letter
    except KafkaException as error:
        raise ServerError(
            f"the topic '{TOPIC}' could not be read: {error.args[0].str()}. Check kafka.bootstrap_servers."
        ) from None
    finally:
        consumer.close()


def _starts(consumer: Consumer, wanted: Wanted, places: Collection[tuple[int, int]]) -> list[TopicPartition]:
    topic = consumer.list_topics(TOPIC, timeout=_TIMEOUT_S).topics[TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    numbers = topic.partitions
    if places:
        first: dict[int, int] = {}
        for partition, offset in places:
            first[partition] = min(offset, first.get(partition, offset))
        return [TopicPartition(TOPIC, number, first[number]) for number in sorted(first) if number in numbers]
    if wanted.since_ms is None:
        return [TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in sorted(numbers)]
    asked = [TopicPartition(TOPIC, number, wanted.since_ms) for number in sorted(numbers)]
    return list(consumer.offsets_for_times(asked, timeout=_TIMEOUT_S))


def _to_end(consumer: Consumer, waiting: set[int]) -> Iterator[Any]:
    deadline = time.monotonic() + _TIMEOUT_S
    while waiting:
        message = consumer.poll(0.5)
        if message is None:
            if time.monotonic() > deadline:
                raise ServerError(f"the topic '{TOPIC}' could not be read to its end in {_TIMEOUT_S:.0f} s.")
            continue
        deadline = time.monotonic() + _TIMEOUT_S
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            waiting.discard(message.partition())
        elif error.fatal() or not error.retriable():
            raise KafkaException(error)


def _letter(message: Any) -> Letter:
    return Letter(
        partition=message.partition(),
        offset=message.offset(),
        at_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers={name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []},
    )
