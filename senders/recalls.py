"""Which campaign versions have been recalled: the topic send.recalls, read to its end before each chunk is delivered.

Invariant: a recall that was written before `refresh` is known after it. The topic is one partition and small; nothing
is committed, every start reads it again.
"""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import ValidationError

from schemas.messages import Recall
from senders.errors import SenderError

TOPIC = "send.recalls"
_TIMEOUT_S = 10.0


class Recalls:
    """Follows the topic of recalls."""

    def __init__(self, connection: dict[str, str | int | bool], servers: str) -> None:
        self._servers = servers
        self._place = TopicPartition(TOPIC, 0)
        #: The offset of the next record to read; None before the first.
        self._next: int | None = None
        self._versions: set[str] = set()
        self._consumer = Consumer(
            {
                **connection,
                "group.id": "carillon-recalls",  # librdkafka wants one; assigning by hand joins none
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            }
        )

    def refresh(self) -> frozenset[str]:
        """The campaign versions that are recalled now. SenderError: the topic cannot be read to its end."""
        try:
            first, end = self._consumer.get_watermark_offsets(self._place, timeout=_TIMEOUT_S)
            if self._next is None:
                # To be told the offset saves the half second that a new consumer takes to find the beginning.
                self._consumer.assign([TopicPartition(TOPIC, 0, first)])
            self._next = max(self._next or 0, first)
            deadline = time.monotonic() + _TIMEOUT_S
            while self._next < end:
                self._read(deadline)
        except KafkaException as problem:
            raise SenderError(
                f"Kafka at {self._servers}: the recalls in {TOPIC} cannot be read: {problem.args[0].str()}. "
                "Nothing more is delivered: start it again."
            ) from None
        return frozenset(self._versions)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _read(self, deadline: float) -> None:
        message = self._consumer.poll(0.2)
        if message is None:
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            return
        error = message.error()
        if error is not None:
            if error.fatal() or not error.retriable():
                raise KafkaException(error)
            return
        self._next = int(message.offset() or 0) + 1
        try:
            self._versions.add(Recall.model_validate_json(message.value() or b"").campaign_version)
        except ValidationError:
            # Whoever wrote it meant to stop something. Not knowing what, deliver nothing.
            raise SenderError(
                f"{TOPIC} offset {message.offset()}: not a recall that this sender understands. Update the sender."
            ) from None
