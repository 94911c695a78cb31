"""The committed reader that watches all drills from the first to the last, beside the jobs that die.

Invariant: what it has seen of a pipeline is complete after `catch_up`: every partition was read to the end it had when
that was called, open transactions waited for. It keeps counts and never forgets an id.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.channels import CHANNELS

LETTERS = "campaign.dead-letters"
TOPICS = (*[channel.topic for channel in CHANNELS], LETTERS)
Place = tuple[str, int]


class Watcher:
    """`with Watcher(client) as watcher:`; counts by pipeline."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._client = {**client, "log_level": "0"}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._read_to: dict[Place, int] = {}
        self._messages: dict[str, Counter[str]] = defaultdict(Counter)
        self._letters: dict[str, Counter[str]] = defaultdict(Counter)
        #: When the batches of a pipeline arrived here, in this machine's monotonic seconds.
        self._arrivals: dict[str, list[float]] = defaultdict(list)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def messages(self, pipeline: str) -> Counter[str]:
        """How often each message id was seen in batches of the pipeline."""
        with self._lock:
            return Counter(self._messages[pipeline])

    def all_messages(self) -> Counter[str]:
        """The same of all pipelines."""
        with self._lock:
            return sum(self._messages.values(), Counter())

    def letters(self, pipeline: str) -> Counter[str]:
        """How often each refused record (topic/partition/offset) was seen as a dead letter."""
        with self._lock:
            return Counter(self._letters[pipeline])

    def first_since(self, pipeline: str, moment: float) -> float | None:
        """Seconds from the moment to the first batch that arrived after it."""
        with self._lock:
            later = [at - moment for at in self._arrivals[pipeline] if at >= moment]
        return min(later, default=None)

    def catch_up(self, timeout_s: float = 120.0) -> None:
        """Return when everything that is on the topics now has been seen. Raises `TimeoutError`."""
        ends = _end_offsets(self._client)
        deadline = time.monotonic() + timeout_s
        while behind := {place: end for place, end in ends.items() if self._read_to.get(place, 0) < end}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the committed reader is behind after {timeout_s:.0f} s: {behind}")
            time.sleep(0.05)

    def has_open_transactions(self) -> bool:
        """Whether anything on the topics is hidden from a committed reader."""
        ends = _end_offsets(self._client)
        return ends != _end_offsets(self._client, IsolationLevel.READ_COMMITTED)

    def _watch(self) -> None:
        consumer = Consumer(
            {
                **self._client,
                "group.id": "carillon-drills",
                "enable.auto.commit": "false",
                "isolation.level": "read_committed",
                "enable.partition.eof": "true",
                "fetch.wait.max.ms": "50",
                "reconnect.backoff.max.ms": "500",
            }
        )
        known: set[Place] = set()
        try:
            while not self._ended.is_set():
                # Topics may grow while a drill runs.
                for place in sorted(_places(self._client) - known):
                    consumer.incremental_assign([TopicPartition(*place, OFFSET_BEGINNING)])
                    known.add(place)
                pause = time.monotonic() + 2.0
                while time.monotonic() < pause and not self._ended.is_set():
                    self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        message = consumer.poll(0.1)
        if message is None:
            return
        error = message.error()
        if error is None:
            with self._lock:
                self._count(message.topic(), message.value() or b"", message.headers() or [])
        elif error.code() == KafkaError._PARTITION_EOF:
            # At the end of what is committed; aborted records and markers before it are passed.
            self._read_to[message.topic(), message.partition()] = message.offset()

    def _count(self, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        if topic == LETTERS:
            said = {name: text.decode() for name, text in headers}
            origin = "/".join(said[f"source_{part}"] for part in ("topic", "partition", "offset"))
            self._letters[said["dead_lettered_by"]][origin] += 1
            return
        batch = json.loads(value)
        self._messages[batch["pipeline"]].update(message["message_id"] for message in batch["messages"])
        self._arrivals[batch["pipeline"]].append(time.monotonic())


def _places(client: Mapping[str, str]) -> set[Place]:
    try:
        topics = AdminClient(dict(client)).list_topics(timeout=2.0).topics
    except KafkaException:  # the broker is down on purpose
        return set()
    return {(name, number) for name in TOPICS if name in topics for number in topics[name].partitions}


def _end_offsets(
    client: Mapping[str, str], isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
) -> dict[Place, int]:
    """Of each partition, by default as an uncommitted reader sees it."""
    asked = [TopicPartition(*place) for place in _places(client)]
    admin = AdminClient(dict(client))  # must outlive its futures
    futures = admin.list_offsets(
        {one: OffsetSpec.latest() for one in asked},
        isolation_level=isolation,
        request_timeout=10.0,
    )
    return {(one.topic, one.partition): int(future.result().offset) for one, future in futures.items()}
