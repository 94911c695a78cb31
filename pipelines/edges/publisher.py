"""Publishing exactly once: a transactional producer per send partition, each transaction with its progress marker.

Invariant: what a read-committed consumer sees of a (pipeline, send partition) is the sequence of its chunks, each
once, whatever dies: a chunk whose marker is there is skipped, and initialising the transactional id fences whoever
else was publishing it. After any failed commit or abort the producer is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from pipelines.edges.progress import TOPIC, MarkerKey, Position, read_position
from pipelines.edges.transactions import (
    ProducerFencedError,
    PublishError,
    PublishTarget,
    Record,
    TransactionalProducer,
)

__all__ = [
    "PartitionPublisher",
    "ProducerFencedError",
    "PublishError",
    "PublishTarget",
    "Record",
    "UnitCancelledError",
    "cancel_unit",
    "publish_chunk",
]


class UnitCancelledError(Exception):
    """The unit was cancelled before this chunk: its marker says that it will not be published."""


#: How often a chunk is begun again after being fenced; each time somebody else has got further.
_ATTEMPTS = 8

#: The publishers of this worker process, kept alive between chunks and units: initialising costs 60–100 ms.
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
        with self._discarding():
            self._producer = TransactionalProducer(
                target, f"{key.pipeline}-{key.send_partition}", key.pipeline, key.key.decode()
            )
            self.position = read_position(target.client, key, target.progress_partitions, target.open_for_s)

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
        where = self._key.partition(self._target.progress_partitions)
        marker = Record(TOPIC, self._key.key, self._key.value(position), (), where)
        with self._discarding():
            self._producer.commit([*records, marker])
        self.position = position

    @contextmanager
    def _discarding(self) -> Iterator[None]:
        """Forget a producer that failed: the next attempt makes a new one, whose initialisation aborts what is open."""
        try:
            yield
        except (ProducerFencedError, PublishError):
            _alive.pop(self._key, None)
            raise
