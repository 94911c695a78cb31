"""Well-formed triggers and customer events, each a pure function of (number, random bits, clock).

Invariant: every record is valid against the JSON Schema of its topic and has the fields and types that the
campaigns in `examples/campaigns` declare. Who gets which is decided in `examples.traffic`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from examples import people

TRIGGERS = "campaign.triggers"
EVENTS = "customer.events"

_CARRIERS = ("Pigeon Post", "Snail & Sons", "Éclair Express", "Kurier „Blitz“")
_CURRENCIES = ("USD", "GBP", "AUD", "EUR", "BRL", "EGP", "JPY", "INR", "NPR")


@dataclass(frozen=True)
class Record:
    """One Kafka record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Clock:
    """Instants around `now`, as the texts of RFC 3339."""

    now: datetime

    def at(self, offset: timedelta) -> str:
        """The instant `offset` from now, to the millisecond."""
        instant = (self.now + offset).astimezone(timezone.utc)
        return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"

    def recent(self, bits: int) -> str:
        """Within the last ten minutes; one in eight is written with an offset, as RFC 3339 allows."""
        offset = -timedelta(milliseconds=bits % 600_000)
        if bits % 8:
            return self.at(offset)
        return (
            (self.now + offset)
            .astimezone(timezone(timedelta(hours=5, minutes=45)))
            .isoformat("T", "milliseconds")
        )

    def late(self, bits: int) -> str:
        """About two days ago."""
        return self.at(-timedelta(days=2, seconds=bits % 3600))


def cart_trigger(trigger_id: str, customer: str, bits: int, occurred_at: str, **changes: Any) -> Record:
    """An explicit trigger of `cart_reminder`; `changes` replace top-level fields."""
    shifts = range(8, 12 + 4 * (bits % 3), 4)
    record = {
        "trigger_id": trigger_id,
        "campaign_id": "cart_reminder",
        "customer_id": customer,
        "occurred_at": occurred_at,
        "data": {
            "cart_id": f"cart-{bits % 10**10:010d}",
            "total": (1 + (bits >> 16) % 50_000) / 100,
            "currency": _CURRENCIES[bits % len(_CURRENCIES)],
            "items": [people.ITEMS[(bits >> shift) % len(people.ITEMS)] for shift in shifts],
        },
    }
    return _record(TRIGGERS, record | changes)


def order_shipped(number: int, customer: str, bits: int, clock: Clock) -> Record:
    """The event that fires `order_shipped`."""
    order = f"ord-{bits % 10**9:09d}"
    properties = {
        "order_id": order,
        "carrier": _CARRIERS[bits % len(_CARRIERS)],
        "tracking_url": f"https://track.example.org/{order}?c={bits % 997}&lang=en",
        "total": (1 + (bits >> 16) % 50_000) / 100,
        "currency": _CURRENCIES[bits % len(_CURRENCIES)],
    }
    return _event(f"evt-shipped-{number:09d}", customer, "order.shipped", clock.recent(bits), properties)


def delivery_scheduled(number: int, customer: str, bits: int, clock: Clock) -> Record:
    """The event that fires `delivery_reminder`: a window of two hours, one to three days ahead."""
    start = timedelta(days=1, minutes=15 * (bits % 192))
    properties = {
        "order_id": f"ord-{bits % 10**9:09d}",
        "carrier": _CARRIERS[bits % len(_CARRIERS)],
        "window_start": clock.at(start),
        "window_end": clock.at(start + timedelta(hours=2)),
    }
    return _event(
        f"evt-delivery-{number:09d}", customer, "delivery.scheduled", clock.recent(bits), properties
    )


def consent_changed(number: int, customer: str, bits: int, clock: Clock) -> Record:
    """A customer's word on one channel and topic; four in five withdraw."""
    properties = {
        "channel": ("email", "sms", "push")[bits % 3],
        "topic": people.CONSENT_TOPICS[(bits >> 8) % len(people.CONSENT_TOPICS)],
        "granted": bits % 5 == 0,
    }
    return _event(f"evt-consent-{number:09d}", customer, "consent.changed", clock.recent(bits), properties)


def page_viewed(number: int, customer: str, bits: int, clock: Clock) -> Record:
    """An event no campaign listens to."""
    properties = {"path": f"/shop/{bits % 1000}", "ms": bits % 5000}
    return _event(f"evt-page-{number:09d}", customer, "page.viewed", clock.recent(bits), properties)


def _event(
    event_id: str, customer: str, kind: str, occurred_at: str, properties: Mapping[str, Any]
) -> Record:
    return _record(
        EVENTS,
        {
            "event_id": event_id,
            "customer_id": customer,
            "type": kind,
            "occurred_at": occurred_at,
            "properties": properties,
        },
    )


def _record(topic: str, record: Mapping[str, Any]) -> Record:
    value = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    return Record(topic, str(record["customer_id"]).encode(), value)
