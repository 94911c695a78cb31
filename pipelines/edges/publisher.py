"""Publishing exactly once: a transactional producer per send partition, each transaction with its progress marker.

Invariant: what a read-committed consumer sees of a (pipeline, send partition) is the sequence of its chunks, each
once, whatever dies: a chunk whose marker is there is skipped, and initialising the transactional id fences whoever
else was publishing it. After any failed commit or abort the producer is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.edges.faultpoints import reach
from pipelines.edges.progress import TOPIC, FencedError, MarkerKey, Position, read_position


@dataclass(frozen=True)
class Record:
    """One record to publish; headers are (name, UTF-8 bytes)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class PublishTarget:
    """Where and how a task publishes; travels to the executors."""

    client: dict[str, str]
    progress_partitions: int
    transaction_timeout_ms: int
    message_bytes_max: int


class ProducerFencedError(FencedError):
    """The broker has seen a later producer of this transactional id; whose it is, only the marker says."""


class UnitCancelledError(Exception):
    """The unit was cancelled before this chunk: its marker says that it will not be published."""


class PublishError(Exception):
    """A transaction failed and was given up; the task may be tried again."""


#: RD_KAFKA_PARTITION_UA: librdkafka's partitioner chooses, by the key.
PARTITION_ANY = -1

#: What the broker says to a producer whose transactional id somebody initialised after it.
_FENCED_CODES = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)

#: How often a chunk is begun again after being fenced; each time somebody else has got further.
_ATTEMPTS = 8

#: The publishers of this worker process, kept alive between chunks and units: initialising costs 70–500 ms.
_alive: dict[MarkerKey, PartitionPublisher] = {}


def publish_chunk(
    target: PublishTarget, key: MarkerKey, position: Position, records: Sequence[Record]
) -> bool:
    """Publish the chunk unless it was published before; False when it was.

    A living publisher need not read its marker again: had anybody else published meanwhile, its next transaction
    would be fenced. By whom, the broker does not say: by another worker of the same driver (Spark places tasks freely),
    by an older driver that starts at the same time, or by a younger one. So who is fenced begins anew and reads the
    marker, whose term tells a younger driver from the others; two that fence each other end with the first commit.

    Raises `FencedError` (a younger driver), `PublishError` (the transaction failed; the task may be tried again),
    `UnitCancelledError`, `ProgressUnreadableError`.
    """
    return _insist(target, key, lambda publisher: publisher.publish(position, records))


def cancel_unit(target: PublishTarget, key: MarkerKey, unit: int) -> Position:
    """End the unit where this send partition has got to; returns that position, the same however often it is asked.
    Raises what `publish_chunk` raises."""
    return _insist(target, key, lambda publisher: publisher.cancel(unit))


_Answer = TypeVar("_Answer")


def _insist(target: PublishTarget, key: MarkerKey, ask: Callable[[PartitionPublisher], _Answer]) -> _Answer:
    for _ in range(_ATTEMPTS - 1):
        try:
            return ask(_living(target, key))
        except ProducerFencedError:
            continue  # the publisher has removed itself from _alive
    return ask(_living(target, key))


def _living(target: PublishTarget, key: MarkerKey) -> PartitionPublisher:
    publisher = _alive.get(key)
    if publisher is None:
        publisher = _alive[key] = PartitionPublisher(target, key)
    return publisher


class PartitionPublisher:
    """The transactional producer of one send partition and the position it has reached."""

    def __init__(self, target: PublishTarget, key: MarkerKey) -> None:
        self._key = key
        self._target = target
        self._undelivered: list[str] = []
        transactional_id = f"{key.pipeline}-{key.send_partition}"
        self._producer = Producer(
            {
                **target.client,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": str(target.transaction_timeout_ms),
                "message.max.bytes": str(target.message_bytes_max),
                "queue.buffering.max.kbytes": "131072",
                "linger.ms": "5",
                "compression.type": "lz4",
            }
        )
        self._guard(lambda: self._producer.init_transactions(60.0), "initialise the transactional id")
        wait_s = target.transaction_timeout_ms / 1000 + 30
        self.position = read_position(target.client, key, target.progress_partitions, wait_s)

    def publish(self, position: Position, records: Sequence[Record]) -> bool:
        """Publish the records and the marker in one transaction; False when that was done before."""
        if position <= self.position:
            return False
        if self.position.is_last and position.unit == self.position.unit:
            raise UnitCancelledError()
        self._commit(position, records)
        return True

    def cancel(self, unit: int) -> Position:
        """Mark the unit as ended, so that whoever comes later, older drivers too, publishes nothing more of it."""
        if not (self.position.is_last and self.position.unit == unit):
            reached = max(self.position, Position(unit, -1))
            self._commit(replace(reached, is_last=True), ())
        return self.position

    def _commit(self, position: Position, records: Sequence[Record]) -> None:
        self._guard(self._producer.begin_transaction, "begin a transaction")
        for record in records:
            self._produce(record)
        marker = Record(TOPIC, self._key.key, self._key.value(position), ())
        self._produce(marker, self._key.partition(self._target.progress_partitions))
        reach("mid-publish")
        self._guard(lambda: self._producer.commit_transaction(60.0), "commit a transaction")
        reach("after-commit")
        if self._undelivered:
            # A commit that succeeded with failed deliveries cannot happen; if it does, say so and stop.
            raise self._discard(PublishError(f"delivery failed: {self._undelivered[0]}"))
        self.position = position

    def _produce(self, record: Record, partition: int = PARTITION_ANY) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=partition,
                    on_delivery=self._note_delivery,
                )
                self._producer.poll(0)
                return
            except BufferError:
                # The local queue is full: wait for the broker, which is the back-pressure.
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._failed("produce", error) from None

    def _note_delivery(self, error: object, _message: object) -> None:
        if error is not None:
            self._undelivered.append(str(error))

    def _guard(self, call: Callable[[], object], what: str) -> None:
        try:
            call()
        except KafkaException as error:
            raise self._failed(what, error) from None

    def _failed(self, what: str, error: KafkaException) -> Exception:
        kafka_error = error.args[0]
        if kafka_error.code() in _FENCED_CODES:
            return self._discard(ProducerFencedError(self._key.pipeline))
        return self._discard(PublishError(f"cannot {what} for {self._key.key.decode()}: {kafka_error.str()}"))

    def _discard(self, error: Exception) -> Exception:
        """Forget this producer: the next attempt makes a new one, whose initialisation aborts what is open."""
        _alive.pop(self._key, None)
        return error
