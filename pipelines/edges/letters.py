"""Dead letters as they lie on their topic: found by id, reason, source or time.

Invariant: reading changes nothing, and only what was committed is read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.dead_letters import TOPIC
from pipelines.edges.bounds import watermarks
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


class Letters:
    """The committed letters that match, each partition's in its order, up to where the topic ended when the reading
    began: a stream may refuse again what a replay sends back meanwhile. To be iterated once. Raises `ServerError` and,
    for an id that cannot be one, `InputError`."""

    def __init__(self, client: dict[str, str], wanted: Wanted) -> None:
        self._client = client
        self._wanted = wanted
        self._unseen = list(dict.fromkeys(wanted.ids))

    @property
    def missing(self) -> list[str]:
        """Of the ids that are wanted those that are not on the topic; known when everything was read."""
        return list(self._unseen)

    def __iter__(self) -> Iterator[Letter]:
        places = [parse_id(one) for one in self._wanted.ids]
        consumer = Consumer(
            {
                **self._client,
                "group.id": "carillon-dead-letters",  # librdkafka wants one; assigning by hand joins none
                "enable.auto.commit": "false",
                "isolation.level": "read_committed",
                "enable.partition.eof": "true",
                # Retention may remove what it starts at; by default it would go on at the end.
                "auto.offset.reset": "earliest",
                # The end is told when nothing has come for so long.
                "fetch.wait.max.ms": "20",
                "log_level": "2",
            }
        )
        try:
            ends = _ends(consumer, {partition for partition, _ in places})
            consumer.assign(_starts(consumer, self._wanted, places, ends))
            for message in _to_ends(consumer, ends):
                letter = _letter(message)
                if letter.id in self._unseen:
                    self._unseen.remove(letter.id)
                if self._wanted.matches(letter):
                    yield letter
        except KafkaException as error:
            raise ServerError(
                f"the topic '{TOPIC}' could not be read: {error.args[0].str()}. Check kafka.bootstrap_servers."
            ) from None
        finally:
            consumer.close()


def _ends(consumer: Consumer, chosen: Collection[int]) -> dict[int, int]:
    """The offset after the last letter of each partition that holds any; of the chosen ones, if there are."""
    topic = consumer.list_topics(TOPIC, timeout=_TIMEOUT_S).topics[TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    ends = {}
    for number in sorted(topic.partitions):
        if not chosen or number in chosen:
            first, end = watermarks(consumer, TopicPartition(TOPIC, number))
            if first < end:
                ends[number] = end
    return ends


def _starts(
    consumer: Consumer, wanted: Wanted, places: Collection[tuple[int, int]], ends: Mapping[int, int]
) -> list[TopicPartition]:
    if places:
        # Not after the end, which would be out of range and so begin at the first letter.
        first = dict(ends)
        for partition, offset in places:
            if partition in first:
                first[partition] = min(offset, first[partition])
        return [TopicPartition(TOPIC, number, offset) for number, offset in first.items()]
    if wanted.since_ms is None or not ends:
        return [TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in ends]
    asked = [TopicPartition(TOPIC, number, wanted.since_ms) for number in ends]
    return list(consumer.offsets_for_times(asked, timeout=_TIMEOUT_S))


def _to_ends(consumer: Consumer, ends: dict[int, int]) -> Iterator[Any]:
    """The messages before the end of their partition; takes out of `ends` whoever has come to it."""
    deadline = time.monotonic() + _TIMEOUT_S
    while ends:
        message = consumer.poll(0.5)
        if message is not None and message.partition() in ends:
            deadline = time.monotonic() + _TIMEOUT_S
        elif time.monotonic() > deadline:
            raise ServerError(f"the topic '{TOPIC}' could not be read to its end in {_TIMEOUT_S:.0f} s.")
        if message is None:
            continue
        error, number = message.error(), message.partition()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.fatal() or not error.retriable():
                raise KafkaException(error)
            continue
        if number not in ends:
            continue
        if error is None and message.offset() < ends[number]:
            yield message
        # The last offset may be that of a transaction's end, which no reader sees.
        if error is not None or message.offset() + 1 >= ends[number]:
            del ends[number]
            consumer.pause([TopicPartition(TOPIC, number)])


def _letter(message: Any) -> Letter:
    return Letter(
        partition=message.partition(),
        offset=message.offset(),
        at_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers={name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []},
    )
