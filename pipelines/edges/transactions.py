"""A transactional producer: records go to Kafka in one transaction, or not at all.

Invariant: whoever makes a producer of a transactional id has aborted what its predecessor left open, and fenced it.
A producer whose commit or abort failed must be thrown away; it says so by raising.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.edges.faultpoints import reach
from pipelines.edges.meeting import meet_brokers
from pipelines.edges.progress import TOPIC, FencedError
from pipelines.lanes import lane_partition

_Answer = TypeVar("_Answer")

#: RD_KAFKA_PARTITION_UA: librdkafka's partitioner chooses, by the key.
PARTITION_ANY = -1

#: What the broker says to a producer whose transactional id somebody initialised after it.
_FENCED_CODES = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


@dataclass(frozen=True)
class Record:
    """One record to publish; headers are (name, UTF-8 bytes). One with a `lane` goes to a partition of that lane."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int = PARTITION_ANY
    lane: str | None = None


@dataclass(frozen=True)
class PublishTarget:
    """Where and how a task publishes; travels to the executors."""

    client: dict[str, str]
    progress_partitions: int
    transaction_timeout_ms: int
    message_bytes_max: int

    @property
    def open_for_s(self) -> float:
        """How long somebody's abandoned transaction may hide what comes after it, and some more."""
        return self.transaction_timeout_ms / 1000 + 30


class ProducerFencedError(FencedError):
    """The broker has seen a later producer of this transactional id; whose it is, only the marker says."""


class PublishError(Exception):
    """A transaction failed and was given up; the task may be tried again."""


class TransactionalProducer:
    """The producer of one transactional id; `owner` and `name` are what errors call it."""

    def __init__(self, target: PublishTarget, transactional_id: str, owner: str, name: str) -> None:
        self._owner = owner
        self._name = name
        self._undelivered: list[str] = []
        #: How many partitions a topic with lanes has, asked once.
        self._partitions: dict[str, int] = {}
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
        meet_brokers(self._producer, TOPIC)
        self._guard(lambda: self._producer.init_transactions(60.0), "initialise the transactional id")

    def commit(self, records: Sequence[Record]) -> None:
        """Publish the records in one transaction. Raises `ProducerFencedError` and `PublishError`."""
        self._guard(self._producer.begin_transaction, "begin a transaction")
        for record in records:
            self._produce(record)
        reach("mid-publish")
        self._guard(lambda: self._producer.commit_transaction(60.0), "commit a transaction")
        reach("after-commit")
        if self._undelivered:
            # A commit that succeeded with failed deliveries cannot happen; if it does, say so and stop.
            raise PublishError(f"delivery failed: {self._undelivered[0]}")

    def _produce(self, record: Record) -> None:
        partition = self._partition(record)
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

    def _partition(self, record: Record) -> int:
        if record.lane is None:
            return record.partition
        if record.topic not in self._partitions:
            found = self._guard(
                lambda: self._producer.list_topics(record.topic, timeout=60.0), "read the topic's partitions"
            )
            self._partitions[record.topic] = len(found.topics[record.topic].partitions)
        known = self._partitions[record.topic]
        # A topic that is not there has none: the broker's own answer to the record says so.
        return lane_partition(record.lane, record.key or b"", known) if known else record.partition

    def _note_delivery(self, error: object, _message: object) -> None:
        if error is not None:
            self._undelivered.append(str(error))

    def _guard(self, call: Callable[[], _Answer], what: str) -> _Answer:
        try:
            return call()
        except KafkaException as error:
            raise self._failed(what, error) from None

    def _failed(self, what: str, error: KafkaException) -> Exception:
        kafka_error = error.args[0]
        if kafka_error.code() == KafkaError._FATAL:
            kafka_error = self._why_fatal() or kafka_error
        if kafka_error.code() in _FENCED_CODES:
            return ProducerFencedError(self._owner)
        return PublishError(
            f"cannot {what} for {self._name}: {kafka_error.str()}. Does Kafka answer (kafka.bootstrap_servers)? "
            "What was committed is kept; start again."
        )

    def _why_fatal(self) -> KafkaError | None:
        """Why nothing more can come of this producer: `produce` only says that it is so, an abort says why."""
        try:
            self._producer.abort_transaction(60.0)
        except KafkaException as error:
            return error.args[0]
        return None
