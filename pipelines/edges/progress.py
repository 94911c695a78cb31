"""Progress markers: how far a pipeline's send partition has published, kept in the compacted topic `send.progress`.

Invariant: a marker is written in the transaction of the batches it vouches for, and is read only after the writer's
transactional id was initialised: no older transaction of that id can then commit any more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from pipelines.errors import InputError, ServerError
from schemas.topics import load_topics

TOPIC = "send.progress"


@dataclass(frozen=True, order=True)
class Position:
    """The last (unit, chunk) that was published; compared in that order.

    `is_last`: the unit was cancelled here, so that none of its later chunks is published by anybody."""

    unit: int
    chunk: int
    is_last: bool = field(default=False, compare=False)


#: What a broker answers, or does not answer, while it starts.
_PASSING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
)

#: Before anything was published.
NOTHING = Position(-1, -1)


@dataclass(frozen=True)
class MarkerKey:
    """Whose progress: key of the record and the partition of the topic it always goes to.

    `incarnation` tells apart lives of a pipeline: a stream with a new checkpoint counts its epochs from 0 again.
    `term` counts the drivers of the pipeline; a marker of a later term means that this driver was replaced. `lake` is
    the identity of the lake whose ledger knows what was sent; a marker of another lake is nobody's to go on from."""

    pipeline: str
    incarnation: str
    term: int
    send_partition: int
    lake: str | None = None

    @property
    def key(self) -> bytes:
        return f"{self.pipeline}/{self.send_partition}".encode()

    def partition(self, partitions: int) -> int:
        return self.send_partition % partitions

    def value(self, position: Position) -> bytes:
        marker = {
            "incarnation": self.incarnation,
            "term": self.term,
            "unit": position.unit,
            "chunk": position.chunk,
            **({"lake": self.lake} if self.lake else {}),
            **({"cancelled": True} if position.is_last else {}),
        }
        return json.dumps(marker, separators=(",", ":")).encode()


class FencedError(Exception):
    """A younger driver of the same pipeline has taken over."""

    def __init__(self, pipeline: str) -> None:
        super().__init__(pipeline)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return (
            f"pipeline '{self.pipeline}' was taken over by a younger driver, which fenced this one. "
            "Nothing was lost or doubled. Run one driver per pipeline."
        )


class ForeignMarkerError(InputError):
    """The progress topic knows the pipeline from another lake, whose ledger this driver does not have."""

    def __init__(self, pipeline: str) -> None:
        super().__init__(pipeline)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return (
            f"topic '{TOPIC}' holds the progress of pipeline '{self.pipeline}' from another lake: what that lake has "
            "sent is in its ledger, and not in this one's. Nothing was published. Set lake.root to that lake; or, when "
            "it is gone for good, give the stream another stream.pipeline, or the run another --run-id."
        )


class ProgressUnreadableError(Exception):
    """The markers could not be read to their end; publishing without them could publish twice."""


def count_partitions(client: dict[str, str], timeout_s: float = 10.0) -> int:
    """The number of partitions of the progress topic. Raises `ServerError` when Kafka does not answer."""
    try:
        metadata = AdminClient(client).list_topics(TOPIC, timeout=timeout_s)
    except KafkaException as error:
        raise ServerError(
            f"no answer from Kafka at {client['bootstrap.servers']} in {timeout_s:.0f} s: {error.args[0].str()}. "
            "Check that it runs, kafka.bootstrap_servers and the security settings."
        ) from None
    topic = metadata.topics[TOPIC]
    if topic.error is not None:
        raise ProgressUnreadableError(
            f"topic '{TOPIC}' is not there ({topic.error.str()}). Create the topics with `carillon topics create`."
        )
    found, declared = len(topic.partitions), _declared_partitions()
    if found != declared:
        raise ProgressUnreadableError(
            f"topic '{TOPIC}' has {found} partitions; expected {declared}. With another number, markers "
            "would be looked for where they are not, and messages sent twice. Create it again with "
            "`carillon topics create` while nothing is unfinished, or restore it."
        )
    return found


def _declared_partitions() -> int:
    return next(topic.partitions for topic in load_topics() if topic.name == TOPIC)


def read_position(client: dict[str, str], key: MarkerKey, partitions: int, timeout_s: float) -> Position:
    """The committed position of one send partition, read to the partition's end as it was when this was called.
    Raises what `read_markers` raises, and `FencedError` when a younger driver has written the marker."""
    position = NOTHING
    for found, value in read_markers(client, key.partition(partitions), timeout_s):
        if found == key.key:
            position = _parse(value, key)
    return position


def read_markers(
    client: dict[str, str], partition: int, timeout_s: float
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """(key, value) of the committed markers in one partition, to its end as it is now.

    Waits for open transactions of others, since a read-committed consumer cannot see past them; `timeout_s` must
    therefore exceed the transaction time-out. Raises `ProgressUnreadableError` when the end is not reached by then.
    """
    try:
        yield from _read_to_end(client, partition, timeout_s)
    except KafkaException as error:
        raise ProgressUnreadableError(
            f"the markers in '{TOPIC}' could not be read: {error.args[0].str()}. Does Kafka answer "
            "(kafka.bootstrap_servers)? What was committed is kept, nothing else was sent; start again."
        ) from None


def _read_to_end(
    client: dict[str, str], partition: int, timeout_s: float
) -> Iterator[tuple[bytes | None, bytes | None]]:
    deadline = time.monotonic() + timeout_s
    first, end = _bounds(client, partition, deadline)
    if end == 0:
        return
    consumer = Consumer(
        {
            **client,
            "group.id": "carillon-progress-reader",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            # Should the first offset be gone by now: a marker must never be passed over.
            "auto.offset.reset": "earliest",
            "enable.partition.eof": "true",
            "fetch.wait.max.ms": "20",
        }
    )
    try:
        consumer.assign([TopicPartition(TOPIC, partition, first)])
        yield from _consume_to(consumer, end, deadline)
    finally:
        consumer.close()


def _bounds(client: dict[str, str], partition: int, deadline: float) -> tuple[int, int]:
    """The partition's first offset, and its end as an uncommitted reader sees it. A consumer that is told to begin at
    the beginning finds out where that is after half a second."""
    consumer = Consumer(
        {**client, "group.id": "carillon-progress-reader", "isolation.level": "read_uncommitted"}
    )
    try:
        while True:
            try:
                first, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=10.0)
                return int(first), int(end)
            except KafkaException as error:
                # A broker that has just come back does not lead its partitions yet.
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    finally:
        consumer.close()


def _consume_to(consumer: Consumer, end: int, deadline: float) -> Iterator[tuple[bytes | None, bytes | None]]:
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF and (message.offset() or 0) >= end:
                return
            if error.code() not in (KafkaError._PARTITION_EOF, *_PASSING) and not error.retriable():
                raise KafkaException(error)
            continue
        yield message.key(), message.value()
    raise ProgressUnreadableError(
        f"the markers in '{TOPIC}' could not be read to their end (offset {end}): another pipeline's transaction "
        "stayed open, or the broker did not answer. What was committed is kept, nothing else was sent; start again."
    )


def _parse(value: bytes | None, key: MarkerKey) -> Position:
    if value is None:
        return NOTHING
    marker = json.loads(value)
    if marker.get("lake") != key.lake:
        raise ForeignMarkerError(key.pipeline)
    if marker["term"] > key.term:
        raise FencedError(key.pipeline)
    if marker["incarnation"] != key.incarnation:
        return NOTHING
    return Position(int(marker["unit"]), int(marker["chunk"]), marker.get("cancelled", False))
