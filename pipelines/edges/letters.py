"""Dead letters as they lie on their topic: found by id, reason, source or time, and sent back once.

Invariant: a letter is replayed at most once, whoever asks and wherever the command dies: its record and the marker that
says so are one transaction, and the markers are read behind the transactional id. Consent changes have no other
protection against being told twice.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from pipelines.dead_letters import TOPIC
from pipelines.edges.progress import TOPIC as PROGRESS
from pipelines.edges.progress import read_markers
from pipelines.edges.transactions import ProducerFencedError, PublishTarget, Record, TransactionalProducer
from pipelines.errors import InputError, ServerError

_PIPELINE = "dead-letters-replay"
_TIMEOUT_S = 30.0
#: One transaction holds at most this many letters, and so many bytes of them.
_CHUNK_LETTERS, _CHUNK_BYTES = 500, 16_000_000


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


class OtherReplayError(Exception):
    """Another replay has fenced this one, which had sent back `sent` letters; of one more chunk it cannot know."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent

    def __str__(self) -> str:
        return (
            "another replay of dead letters began while this one was at work, or this one stood still for longer than "
            f"publish.transaction_timeout_ms, and was stopped: {self.sent:,} records were sent back by then. Nothing "
            "was lost or doubled. Start it again when the other has ended: it sends what is left."
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


class Replayer:
    """Sends letters back to where they came from. One at a time: a later one fences an earlier one."""

    def __init__(self, target: PublishTarget, input_topics: Collection[str]) -> None:
        self._target = target
        self._inputs = input_topics
        self._topic_id = _topic_id(target.client)
        self._producer = TransactionalProducer(target, f"carillon/{_PIPELINE}", _PIPELINE, _PIPELINE)
        prefix = f"{_PIPELINE}/{self._topic_id}/".encode()
        found = read_markers(target.client, self._partition, target.open_for_s)
        self._done = {key for key, value in found if key is not None and key.startswith(prefix) and value}

    @property
    def _partition(self) -> int:
        """The last one: few pipelines have so many send partitions that they wait for each other there."""
        return self._target.progress_partitions - 1

    def replay(self, letters: Iterator[Letter], fixed: bytes | None = None) -> tuple[int, int]:
        """Send them back, with the value `fixed` in place of their own; how many were, and how many had been before.
        Raises `InputError` for a letter of no input topic, `PublishError` and `OtherReplayError`."""
        sent, skipped, size = 0, 0, 0
        waiting: list[Letter] = []
        for letter in letters:
            if self._key(letter) in self._done:
                skipped += 1
                continue
            waiting.append(letter)
            size += len(letter.value or b"")
            if len(waiting) == _CHUNK_LETTERS or size >= _CHUNK_BYTES:
                sent = self._commit(waiting, fixed, sent)
                waiting, size = [], 0
        return self._commit(waiting, fixed, sent), skipped

    def _commit(self, letters: Sequence[Letter], fixed: bytes | None, sent: int) -> int:
        """How many were sent back with these, and `sent` before."""
        if letters:
            records = [self._record(letter, fixed) for letter in letters]
            try:
                self._producer.commit([*records, *[self._marker(letter) for letter in letters]])
            except ProducerFencedError:
                raise OtherReplayError(sent) from None
            self._done.update(self._key(letter) for letter in letters)
        return sent + len(letters)

    def _record(self, letter: Letter, fixed: bytes | None) -> Record:
        source = letter.headers.get("source_topic", "")
        if source not in self._inputs:
            raise InputError(
                f"dead letter {letter.id} says that it came from '{source}'; allowed: {', '.join(self._inputs)}."
            )
        origin = f"{TOPIC}/{letter.partition}/{letter.offset}".encode()
        # Where it came from, so that it stays among the same customer's records.
        partition = int(letter.headers["source_partition"])
        value = letter.value if fixed is None else fixed
        return Record(source, letter.key, value, (("replay_of", origin),), partition)

    def _marker(self, letter: Letter) -> Record:
        value = (
            f'{{"incarnation":"{self._topic_id}","term":0,"unit":{letter.partition},"chunk":{letter.offset}}}'
        )
        return Record(PROGRESS, self._key(letter), value.encode(), (), self._partition)

    def _key(self, letter: Letter) -> bytes:
        # The topic's id and not its name: a topic made anew counts its offsets from 0 again.
        return f"{_PIPELINE}/{self._topic_id}/{letter.partition}/{letter.offset}".encode()


def _topic_id(client: dict[str, str]) -> str:
    admin = AdminClient(client)  # must outlive its answer
    answer = admin.describe_topics(TopicCollection([TOPIC]), request_timeout=_TIMEOUT_S)[TOPIC]
    try:
        return str(answer.result().topic_id)
    except KafkaException as error:
        raise ServerError(
            f"Kafka at {client['bootstrap.servers']} tells nothing of '{TOPIC}': {error.args[0].str()}."
        ) from None
