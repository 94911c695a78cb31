"""Chunks of records: decode, dedupe by message_id, deliver, remember. A sender without Kafka's client.

Invariant: a message is delivered once for each message_id, however often and in whatever order its records
come; a record that is refused is counted and kept in the local dead letters. A record read again after our
own crash is no duplicate: duplicates are counted by place in the log, redeliveries are not counted.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from schemas.messages import Message
from schemas.messages.delivery import DeliveryType
from senders.decoding import RawRecord, ReceivedBatch, RefusedRecordError, campaign_of, decode, is_urgent
from senders.lines import JsonLines
from senders.reporting import Outcome
from senders.store import CountKey, Store

DEAD_LETTERS = "dead-letters.jsonl"
# received: distinct messages; duplicates: further copies of them; undeliverable: received, but the channel
# cannot take it; recalled: not received, because their campaign version was recalled; malformed: refused records.
COUNTS: tuple[str, ...] = ("received", "duplicates", "undeliverable", "recalled", "malformed")


@dataclass
class Taken:
    """What a chunk of records came to: what it added to the counts, and what became of each message."""

    counts: Counter[CountKey] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True)
class Undeliverable:
    """A message the channel cannot take, and why (without a customer's value)."""

    message_id: str
    reason: str


class Delivery(Protocol):
    """Where messages go: files, or a vendor's API."""

    def deliver(self, received: ReceivedBatch, messages: Sequence[Message]) -> Sequence[Undeliverable]:
        """Deliver those messages of the batch that are new; a crash may bring the same ones again."""

    def flush(self) -> Mapping[str, int]:
        """Hand everything over, and name what grew with its size; remembered with the chunk."""

    def rewind(self, sizes: Mapping[str, int]) -> None:
        """Take everything that grew back to the sizes remembered; called before the first chunk."""

    def close(self) -> None:
        """Release what was opened."""


class Receiver:
    """Takes chunks of records into one output directory."""

    def __init__(self, directory: Path, delivery: Delivery, topic_ids: Mapping[str, str]) -> None:
        self.store = Store(directory)
        self._delivery = delivery
        self._topic_ids = topic_ids
        self._positions = self.store.positions()
        self._dead_letters = JsonLines(directory / DEAD_LETTERS)
        sizes = self.store.sizes()
        self._dead_letters.rewind(sizes.get(DEAD_LETTERS, 0))
        delivery.rewind(sizes)

    def close(self) -> None:
        """Release the directory."""
        self._dead_letters.close()
        self._delivery.close()
        self.store.close()

    def take(self, records: Sequence[RawRecord], recalled: Set[str] = frozenset()) -> Taken:
        """Deliver what is new in a chunk, the urgent lane first, unless its campaign version is `recalled`, and
        remember it in one transaction."""
        taken = Taken()
        counts = taken.counts
        positions = dict(self._positions)
        with self.store.transaction():
            batches = [batch for record in records if (batch := self._decode(record, counts)) is not None]
            batches.sort(key=lambda each: not is_urgent(each.record))
            self._deliver(batches, recalled, taken)
            for record in records:
                place = self._place(record)
                positions[place] = max(positions.get(place, 0), record.offset + 1)
            sizes = {**self._delivery.flush(), DEAD_LETTERS: self._dead_letters.flush()}
            self.store.set_sizes(sizes)
            self.store.advance(positions)
            self.store.add(counts)
        self._positions = positions
        return taken

    def _decode(self, record: RawRecord, counts: Counter[CountKey]) -> ReceivedBatch | None:
        try:
            return decode(record)
        except RefusedRecordError as refusal:
            if not self._is_counted(record):
                channel, campaign = record.topic.partition(".")[0], campaign_of(record)
                counts[channel, campaign, "malformed"] += 1
                self._dead_letters.append(_dead_letter(record, str(refusal)))
            return None

    def _deliver(self, batches: Sequence[ReceivedBatch], recalled: Set[str], taken: Taken) -> None:
        seen = self.store.seen(message.message_id for each in batches for message in each.batch.messages)
        new: set[str] = set()
        for each in batches:
            count = _counter(taken.counts, each)
            tell = _teller(taken.outcomes, each)
            fresh: list[Message] = []
            for message in each.batch.messages:
                if message.message_id in new or message.message_id in seen:
                    count("duplicates", 0 if self._is_counted(each.record) else 1)
                    tell("duplicate", message, None)
                elif each.batch.campaign_version in recalled:
                    count("recalled", 0 if self._is_counted(each.record) else 1)
                    tell("recalled", message, None)
                else:
                    new.add(message.message_id)
                    fresh.append(message)
            count("received", len(fresh))
            if fresh:
                failed = self._delivery.deliver(each, fresh)
                reasons = {failure.message_id: failure.reason for failure in failed}
                for one in fresh:
                    reason = reasons.get(one.message_id)
                    tell("rejected" if reason else "accepted", one, reason)
                count("undeliverable", len(failed))
                for failure in failed:
                    line = _dead_letter(each.record, failure.reason)
                    self._dead_letters.append(
                        {**line, "message_id": failure.message_id, "value_base64": None}
                    )
        self.store.remember(new)

    def _is_counted(self, record: RawRecord) -> bool:
        return record.offset < self._positions.get(self._place(record), 0)

    def _place(self, record: RawRecord) -> tuple[str, int]:
        return self._topic_ids[record.topic], record.partition


def _counter(counts: Counter[CountKey], received: ReceivedBatch) -> Callable[[str, int], None]:
    def add(name: str, number: int) -> None:
        if number:
            counts[received.channel, received.batch.campaign_id, name] += number

    return add


def _teller(
    outcomes: list[Outcome], received: ReceivedBatch
) -> Callable[[DeliveryType, Message, str | None], None]:
    batch = received.batch

    def add(kind: DeliveryType, message: Message, detail: str | None) -> None:
        outcomes.append(
            Outcome(
                kind,
                message.message_id,
                batch.batch_id,
                batch.campaign_id,
                message.customer_id,
                received.channel,
                detail,
            )
        )

    return add


def _dead_letter(record: RawRecord, reason: str) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "reason": reason,
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers},
        "key_base64": _base64(record.key),
        "value_base64": _base64(record.value),
    }


def _base64(octets: bytes | None) -> str | None:
    return None if octets is None else base64.b64encode(octets).decode("ascii")
