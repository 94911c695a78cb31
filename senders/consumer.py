"""The consuming library: send-batch topics in, each message delivered once; what a team builds its sender on.

Invariant: offsets are committed to Kafka after a chunk was delivered and remembered, so a record is never
lost; records of aborted transactions are never seen. It delivers nothing itself: give it a `Delivery`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from conf import Settings
from schemas.channels import CHANNELS
from senders.decoding import RawRecord
from senders.errors import SenderError
from senders.recalls import TOPIC as RECALLS
from senders.recalls import Recalls
from senders.receiving import Delivery, Receiver
from senders.reporting import TOPIC as EVENTS
from senders.reporting import Reporter
from senders.store import CountKey

GROUP = "reference-sender"
VENDOR = "reference"
_TOPICS = (*[row.topic for row in CHANNELS], RECALLS, EVENTS)
BROKER_TIMEOUT_S = 10.0
# A chunk is one SQLite transaction and one offset commit (about 5 ms): large enough to make both cheap, small
# enough that memory stays near 100 MB and SIGTERM is obeyed within a second.
CHUNK_RECORDS_MAX = 2_000
CHUNK_BYTES_MAX = 16_000_000
CHUNK_SECONDS_MAX = 0.5
_POLL_RECORDS = 50
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Until:
    """When to stop by itself: after `idle_s` seconds at the end of all partitions, after `count` messages, or with all
    that was committed before `ended` was set."""

    idle_s: float | None = None
    count: int | None = None
    ended: threading.Event | None = None


def consume(
    settings: Settings,
    directory: Path,
    delivery: Delivery,
    *,
    until: Until = Until(),
    stop: threading.Event | None = None,
    group: str = GROUP,
    vendor: str = VENDOR,
) -> Counter[CountKey]:
    """Consume all channels' send batches until told to stop; all counts since `directory` was made.

    What becomes of each message is reported on delivery.events, under the name `vendor`; messages of a campaign version
    that is recalled on send.recalls are not delivered. Setting `stop` (from a signal handler, say) ends it after the
    chunk. SenderError: no broker, no topic.
    """
    with ExitStack() as stack:
        source = stack.enter_context(closing(_Source(settings, group)))
        receiver = stack.enter_context(closing(Receiver(directory, delivery, source.topic_ids)))
        recalls = stack.enter_context(closing(Recalls(source.connection, source.servers)))
        reporter = Reporter(source.connection, source.servers, vendor)
        _run(source, receiver, recalls, reporter, until, stop or threading.Event())
        return receiver.store.counts()


def _run(
    source: _Source,
    receiver: Receiver,
    recalls: Recalls,
    reporter: Reporter,
    until: Until,
    stop: threading.Event,
) -> None:
    received = 0
    idle_since = time.monotonic()
    while not stop.is_set():
        records = source.read_chunk(stop)
        if records:
            taken = receiver.take(records, recalls.refresh())
            reporter.report(taken.outcomes)
            source.commit(records)
            received += sum(number for key, number in taken.counts.items() if key[2] == "received")
        if until.count is not None and received >= until.count:
            return
        if records or not source.is_at_end:
            idle_since = time.monotonic()
        elif until.ended is not None and until.ended.is_set() and source.has_read_all():
            return
        elif until.idle_s is not None and time.monotonic() - idle_since >= until.idle_s:
            source.check_broker()  # silence of a broker that is gone is not the end of the log
            return


class _Source:
    """The send-batch topics as chunks of records."""

    def __init__(self, settings: Settings, group: str) -> None:
        self.servers = settings.kafka.bootstrap_servers
        # What goes wrong is reported once, by us, not by librdkafka's own log too.
        self.connection: dict[str, str | int | bool] = {**settings.kafka.librdkafka(), "log_level": 2}
        self._assigned: set[tuple[str, int]] = set()
        self._at_end: dict[tuple[str, int], int] = {}
        options: dict[str, str | int | bool] = {
            **self.connection,
            "group.id": group,
            "client.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            # What a restart after a crash waits for. Heartbeats have a thread of their own: it may be short.
            "session.timeout.ms": 6_000,
            "queued.max.messages.kbytes": 65_536,
        }
        self._consumer = Consumer(options)
        try:
            self.topic_ids = self.check_broker()
            topics = [row.topic for row in CHANNELS]
            self._consumer.subscribe(
                topics, on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke
            )
        except BaseException:
            self._consumer.close()
            raise

    @property
    def is_at_end(self) -> bool:
        """Whether every assigned partition was read to its last committed record."""
        return bool(self._assigned) and self._assigned <= self._at_end.keys()

    def has_read_all(self) -> bool:
        """Whether what the broker has committed by now was read. An end that was reached may be an old one: what came
        since need not be fetched yet."""
        try:
            return all(self._committed_end(place) <= offset for place, offset in self._at_end.items())
        except KafkaException as problem:
            raise SenderError(
                f"Kafka at {self.servers} does not say where its topics end: {problem.args[0].str()}"
            ) from None

    def _committed_end(self, place: tuple[str, int]) -> int:
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=BROKER_TIMEOUT_S)
        return int(end)

    def check_broker(self) -> dict[str, str]:
        """Kafka's id of each topic; SenderError when no broker answers or a topic is missing."""
        asked = TopicCollection(list(_TOPICS))
        client = AdminClient(self.connection)  # held by name: its answers die with it
        answers = client.describe_topics(asked, request_timeout=BROKER_TIMEOUT_S)
        ids: dict[str, str] = {}
        for name, answer in answers.items():
            try:
                ids[name] = str(answer.result().topic_id)
            except KafkaException as problem:
                error = problem.args[0]
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise SenderError(
                        f"Kafka at {self.servers} has no topic {name}. "
                        "Create the topics first (see schemas/topics), or check kafka.bootstrap_servers."
                    ) from None
                raise SenderError(
                    f"no answer from Kafka at {self.servers} in {BROKER_TIMEOUT_S:.0f} s ({error.str()}). "
                    "Is it running, and is kafka.bootstrap_servers right? `make dev` starts a local one."
                ) from None
        return ids

    def read_chunk(self, stop: threading.Event) -> list[RawRecord]:
        """The next records, up to a chunk's bounds; maybe none."""
        records: list[RawRecord] = []
        size = 0
        deadline = time.monotonic() + CHUNK_SECONDS_MAX
        while len(records) < CHUNK_RECORDS_MAX and size < CHUNK_BYTES_MAX and not stop.is_set():
            messages = self._consumer.consume(_POLL_RECORDS, _POLL_SECONDS)
            for message in messages:
                if message.error() is not None:
                    self._handle(message)
                    continue
                record = _raw(message)
                records.append(record)
                size += len(record.value or b"")
                self._at_end.pop((record.topic, record.partition), None)
            if time.monotonic() > deadline or (records and self.is_at_end):
                break
        return records

    def commit(self, records: Sequence[RawRecord]) -> None:
        """Tell Kafka that the records are dealt with."""
        offsets: dict[tuple[str, int], int] = {}
        for record in records:
            offsets[record.topic, record.partition] = record.offset + 1
        positions = [
            TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()
        ]
        try:
            self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as problem:
            # Partitions moved to another member, say: the store knows the messages, so this directory gets
            # none twice. Anything worse comes back with the next poll.
            if problem.args[0].fatal():
                raise SenderError(
                    f"Kafka at {self.servers} refused the offsets: {problem.args[0].str()}"
                ) from None

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _handle(self, message: KafkaMessage) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            self._at_end[str(message.topic()), int(message.partition() or 0)] = int(message.offset() or 0)
        elif error.fatal() or not error.retriable():
            raise SenderError(f"Kafka at {self.servers}: {error.str()}")

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = {(partition.topic, partition.partition) for partition in partitions}
        self._at_end.clear()

    def _revoke(self, *_: object) -> None:
        self._assigned.clear()
        self._at_end.clear()


def _raw(message: KafkaMessage) -> RawRecord:
    headers = [
        (name, value.encode() if isinstance(value, str) else value) for name, value in message.headers() or []
    ]
    return RawRecord(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=message.key(),
        value=message.value(),
        headers=headers,
    )
