"""What became of each message, told on delivery.events: the acknowledgement that a make-up run looks for.

Invariant: events are on the broker before the offsets of their records are committed, so that no message goes
unreported; one that is told twice has the same event_id. It holds no address and no content.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from confluent_kafka import KafkaError, Producer

from schemas.messages.delivery import DeliveryType
from senders.errors import SenderError

TOPIC = "delivery.events"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """What happened to one message of a batch."""

    type: DeliveryType
    message_id: str
    batch_id: str
    campaign_id: str
    customer_id: str
    channel: str
    detail: str | None = None


class Reporter:
    """Publishes outcomes as delivery events; `vendor` is the short name that they carry."""

    def __init__(self, connection: dict[str, str | int | bool], servers: str, vendor: str) -> None:
        self._servers = servers
        self._vendor = vendor
        self._refused: list[str] = []
        self._producer = Producer({**connection, "enable.idempotence": True, "linger.ms": 5})

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Returns when the broker has all of them; SenderError otherwise."""
        now = datetime.now(timezone.utc).isoformat()
        for outcome in outcomes:
            self._produce(outcome, now)
        left = self._producer.flush(_TIMEOUT_S)
        if left or self._refused:
            why = self._refused[0] if self._refused else f"no answer in {_TIMEOUT_S:.0f} s"
            raise SenderError(
                f"Kafka at {self._servers} did not take {left or len(self._refused)} delivery events ({why}). "
                "Start it again: what it has delivered it reports as duplicates."
            )

    def _produce(self, outcome: Outcome, now: str) -> None:
        name = f"{self._vendor}/{outcome.message_id}/{outcome.type}"
        event = {
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "type": outcome.type,
            "message_id": outcome.message_id,
            "batch_id": outcome.batch_id,
            "campaign_id": outcome.campaign_id,
            "customer_id": outcome.customer_id,
            "channel": outcome.channel,
            "vendor": self._vendor,
            "occurred_at": now,
            **({"detail": outcome.detail} if outcome.detail else {}),
        }
        value = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        while True:
            try:
                self._producer.produce(
                    TOPIC, value=value, key=outcome.customer_id.encode(), on_delivery=self._note
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)  # the local queue is full: wait for the broker

    def _note(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._refused.append(error.str())
