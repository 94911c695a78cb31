"""Records no contract accepts, one builder for each way to break a trigger or a customer event.

Invariant: whatever the number and the clock, the value made is refused by the JSON Schema of its topic.
Records that are well formed but about nothing known (customers, campaigns) are not here: those get decisions.
"""

# ruff: noqa: ARG005 - every builder takes the same two arguments, whether it needs them or not

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.records import EVENTS, TRIGGERS

NOISE_BYTES = 5_000_000


def _trigger(number: int, at: str, /, **changes: Any) -> dict[str, Any]:
    """A valid cart_reminder trigger with `changes`; a change to `...` removes the field."""
    record: dict[str, Any] = {
        "trigger_id": f"trg-bad-{number}",
        "campaign_id": "cart_reminder",
        "customer_id": "cust-000000000",
        "occurred_at": at,
        "data": {
            "cart_id": f"cart-bad-{number}",
            "total": 19.9,
            "currency": "EUR",
            "items": ["Kettle 1.7 l"],
        },
    }
    return {name: value for name, value in (record | changes).items() if value is not ...}


def _event(number: int, at: str, /, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "event_id": f"evt-bad-{number}",
        "customer_id": "cust-000000000",
        "type": "order.shipped",
        "occurred_at": at,
        "properties": {
            "order_id": f"ord-bad-{number}",
            "carrier": "Pigeon Post",
            "total": 19.9,
            "currency": "EUR",
        },
    }
    return {name: value for name, value in (record | changes).items() if value is not ...}


def _json(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def noise(number: int) -> bytes:
    """About 5 MB that is neither UTF-8 nor compressible."""
    return b"\xff" + random.Random(number).randbytes(NOISE_BYTES - 1)


@dataclass(frozen=True)
class Malformed:
    """One way to be malformed: `make(number, occurred_at)` is the record's value."""

    kind: str
    topic: str
    make: Callable[[int, str], bytes | None]


MALFORMED: tuple[Malformed, ...] = (
    Malformed("not JSON", TRIGGERS, lambda n, at: b"trigger %d please" % n),
    Malformed("not JSON", EVENTS, lambda n, at: b"<event id='%d'/>" % n),
    Malformed("cut short", TRIGGERS, lambda n, at: _json(_trigger(n, at))[:-12]),
    Malformed("cut short", EVENTS, lambda n, at: _json(_event(n, at))[:40]),
    Malformed("text after the object", TRIGGERS, lambda n, at: _json(_trigger(n, at)) + b" and more"),
    Malformed("two objects", EVENTS, lambda n, at: _json(_event(n, at)) * 2),
    Malformed("not an object", TRIGGERS, lambda n, at: _json([_trigger(n, at)])),
    Malformed("not an object", EVENTS, lambda n, at: _json(f"event {n}")),
    Malformed("bare null", EVENTS, lambda n, at: b"null"),
    Malformed("missing trigger_id", TRIGGERS, lambda n, at: _json(_trigger(n, at, trigger_id=...))),
    Malformed("missing campaign_id", TRIGGERS, lambda n, at: _json(_trigger(n, at, campaign_id=...))),
    Malformed("missing customer_id", TRIGGERS, lambda n, at: _json(_trigger(n, at, customer_id=...))),
    Malformed("missing occurred_at", EVENTS, lambda n, at: _json(_event(n, at, occurred_at=...))),
    Malformed("missing type", EVENTS, lambda n, at: _json(_event(n, at, type=...))),
    Malformed("null event_id", EVENTS, lambda n, at: _json(_event(n, at, event_id=None))),
    Malformed("wrong type: customer_id", TRIGGERS, lambda n, at: _json(_trigger(n, at, customer_id=n))),
    Malformed("wrong type: occurred_at", TRIGGERS, lambda n, at: _json(_trigger(n, "yesterday, about noon"))),
    Malformed(
        "wrong type: occurred_at", EVENTS, lambda n, at: _json(_event(n, at, occurred_at=[2026, 1, 1]))
    ),
    Malformed(
        "wrong type: expires_at",
        TRIGGERS,
        lambda n, at: _json(_trigger(n, at, expires_at="2026-13-45T99:00:00Z")),
    ),
    Malformed("wrong type: data", TRIGGERS, lambda n, at: _json(_trigger(n, at, data=["cart", n]))),
    Malformed("wrong type: properties", EVENTS, lambda n, at: _json(_event(n, at, properties="none"))),
    Malformed("unknown version", TRIGGERS, lambda n, at: _json(_trigger(n, at, schema_version=99))),
    Malformed("unknown version", EVENTS, lambda n, at: _json(_event(n, at, schema_version=99))),
    Malformed(
        "invalid UTF-8", TRIGGERS, lambda n, at: _json(_trigger(n, at)).replace(b"Kettle", b"Kettl\xe9")
    ),
    Malformed(
        "invalid UTF-8", EVENTS, lambda n, at: _json(_event(n, at)).replace(b"Pigeon", b"\xc3\x28geon")
    ),
    Malformed("empty value", TRIGGERS, lambda n, at: b""),
    Malformed("empty value", EVENTS, lambda n, at: b"   \n"),
    Malformed("null value", TRIGGERS, lambda n, at: None),
    Malformed("null value", EVENTS, lambda n, at: None),
    Malformed("endless nesting", EVENTS, lambda n, at: b'{"properties":' + b"[" * 100_000),
)
