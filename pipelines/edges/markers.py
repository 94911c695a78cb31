"""Following the progress markers of all pipelines: who has published how far, and when.

Invariant: only committed markers are seen, so what is told was published. For looking only: who publishes reads its
own marker with `pipelines.edges.progress`, behind its transactional id.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.edges.meeting import meet_brokers
from pipelines.edges.progress import TOPIC, Position, ProgressUnreadableError, count_partitions

#: How long to wait for the end of the topic.
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class SeenMarker:
    """One marker; `at_ms` is Kafka's timestamp of it."""

    send_partition: int
    incarnation: str
    position: Position
    at_ms: int


class MarkerReader:
    """The markers since the topic's beginning, as far as compaction has left them; of one pipeline, or of all."""

    def __init__(self, client: dict[str, str], pipeline: str | None = None) -> None:
        self._pipeline = pipeline
        #: In the order of their send partition's topic partition, by pipeline.
        self.seen: dict[str, list[SeenMarker]] = defaultdict(list)
        partitions = count_partitions(client)
        self._at_end: set[int] = set()
        self._places = [TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(partitions)]
        self._consumer = Consumer(
            {
                **client,
                "group.id": "carillon-progress-watcher",  # librdkafka wants one; assigning by hand joins none
                "enable.auto.commit": "false",
                "isolation.level": "read_committed",
                "enable.partition.eof": "true",
                "fetch.wait.max.ms": "20",
                "log_level": "2",
            }
        )
        meet_brokers(self._consumer, TOPIC)
        self._consumer.assign(self._places)

    def refresh(self) -> None:
        """Read on to the end as it is now. Raises `ProgressUnreadableError` when that takes too long."""
        deadline = time.monotonic() + TIMEOUT_S
        polled_empty = 0
        # The end of a partition is told once; later it is enough that nothing comes.
        while len(self._at_end) < len(self._places) or polled_empty < 2:
            messages = self._consumer.consume(500, 0.1)
            polled_empty = 0 if messages else polled_empty + 1
            for message in messages:
                self._take(message)
            if time.monotonic() > deadline:
                raise ProgressUnreadableError(
                    f"the markers in '{TOPIC}' could not be read to their end in {TIMEOUT_S:.0f} s."
                )

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._at_end.add(message.partition())
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)
            return
        pipeline, slash, send_partition = (message.key() or b"").decode().rpartition("/")
        if not slash or "/" in pipeline or not message.value() or self._pipeline not in (None, pipeline):
            return
        marker = json.loads(message.value())
        position = Position(int(marker["unit"]), int(marker["chunk"]), marker.get("cancelled", False))
        at_ms = message.timestamp()[1]
        self.seen[pipeline].append(SeenMarker(int(send_partition), marker["incarnation"], position, at_ms))
