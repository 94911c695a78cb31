"""Synthetic triggers and customer events for the example campaigns, with an exact account of what was made.

Invariant: every record is counted in exactly one of the counts that `Traffic.total` adds up, so a demo can
compare them with what comes out. Deterministic in (customers, seed, now). It publishes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from examples.audience import customer_id
from examples.draws import Draws, Rows
from examples.malformed import MALFORMED, noise
from examples.records import (
    TRIGGERS,
    Clock,
    Record,
    cart_trigger,
    consent_changed,
    delivery_scheduled,
    order_shipped,
    page_viewed,
)

CART_SHARE = 0.08
LATE_SHARE = 0.02  # of the cart triggers
EVENT_SHARES = (
    ("events", order_shipped, 0.04),
    ("events", delivery_scheduled, 0.03),
    ("consent_events", consent_changed, 0.01),
    ("unrelated_events", page_viewed, 0.01),
)
ODD_SHARE = 0.002  # of the customers: how many triggers of each odd sort, and at least one
MALFORMED_SHARE = 0.002  # of the customers, and at least one of each kind
DUPLICATE_SHARE = 0.02  # of the well-formed records


@dataclass(frozen=True)
class Traffic:
    """Records in the order to publish them, and how many there are of each sort.

    `triggers` and `events` are those a campaign can act on. `late` of the triggers occurred days ago and are
    still valid; `expired` ones say that they are not.
    """

    records: list[Record]
    triggers: int
    events: int
    consent_events: int
    unrelated_events: int
    expired: int
    unknown_customers: int
    unknown_campaigns: int
    duplicates: int
    malformed: int
    late: int
    malformed_by_kind: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All records, each counted once."""
        return sum(getattr(self, name) for name in _COUNTS if name != "late")


def generate_traffic(customers: int, seed: int, now: datetime, *, with_noise: bool = True) -> Traffic:
    """Traffic about customers 0 to `customers` - 1 of the synthetic audience, around `now` (aware).

    About 15 % of the customers cause something to be considered. `with_noise` adds one record of about 5 MB.
    """
    if customers < 1:
        raise ValueError(f"generate_traffic: customers is {customers}; pass 1 or more")
    if now.tzinfo is None:
        raise ValueError("generate_traffic: `now` has no time zone; pass datetime.now(timezone.utc), say")
    maker = _Maker(customers, seed, Clock(now))
    maker.add_triggers()
    maker.add_events()
    maker.add_odd_triggers()
    maker.add_duplicates()
    maker.add_malformed(with_noise)
    return maker.traffic()


class _Maker:
    """Collects records with the place each takes in the final order."""

    def __init__(self, customers: int, seed: int, clock: Clock) -> None:
        self.customers, self.seed, self.clock = customers, seed, clock
        self.placed: list[tuple[int, Record]] = []
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def add_triggers(self) -> None:
        for index, bits in self._chosen("cart", CART_SHARE):
            late = (bits >> 20) % 1000 < 1000 * LATE_SHARE
            self.counts["late"] += late
            occurred_at = self.clock.late(bits) if late else self.clock.recent(bits)
            expires = {"expires_at": self.clock.at(timedelta(days=2))} if bits % 3 == 0 else {}
            record = cart_trigger(f"trg-{index:09d}", customer_id(index), bits, occurred_at, **expires)
            self._place("triggers", record, bits)

    def add_events(self) -> None:
        for count, make, share in EVENT_SHARES:
            for index, bits in self._chosen(make.__name__, share):
                self._place(count, make(index, customer_id(index), bits, self.clock), bits)

    def add_odd_triggers(self) -> None:
        """Triggers that are well formed and must end in a decision not to send."""
        for number, bits in self._numbered("odd", max(1, int(self.customers * ODD_SHARE))):
            known = customer_id(bits % self.customers)
            recent, late = self.clock.recent(bits), self.clock.late(bits)
            expired_at = self.clock.at(-timedelta(hours=1))
            expired = cart_trigger(f"trg-old-{number}", known, bits, late, expires_at=expired_at)
            nobody = cart_trigger(f"trg-who-{number}", f"nobody-{number}", bits, recent)
            nothing = cart_trigger(f"trg-what-{number}", known, bits, recent, campaign_id="cart_remainder")
            self._place("expired", expired, bits)
            self._place("unknown_customers", nobody, bits)
            self._place("unknown_campaigns", nothing, bits)

    def add_duplicates(self) -> None:
        """Byte-for-byte repeats, each somewhere behind its original."""
        originals = len(self.placed)
        for _, bits in self._numbered("duplicate", max(1, int(originals * DUPLICATE_SHARE))):
            place, record = self.placed[bits % originals]
            self._place("duplicates", record, place + bits % 2**63)

    def add_malformed(self, with_noise: bool) -> None:
        count = max(len(MALFORMED), int(self.customers * MALFORMED_SHARE))
        for number, bits in self._numbered("malformed", count):
            way = MALFORMED[number % len(MALFORMED)]
            key = None if bits % 4 == 0 else customer_id(bits % self.customers).encode()
            self.kinds[way.kind] += 1
            value = way.make(number, self.clock.recent(bits))
            self._place("malformed", Record(way.topic, key, value), bits)
        if with_noise:
            self.kinds["5 MB of noise"] += 1
            self._place("malformed", Record(TRIGGERS, b"noise", noise(self.seed)), 2**63)

    def traffic(self) -> Traffic:
        # The sort is stable and a duplicate's place is not before its original's.
        self.placed.sort(key=lambda placed: placed[0])
        return Traffic(
            records=[record for _, record in self.placed],
            malformed_by_kind=dict(sorted(self.kinds.items())),
            **{name: self.counts[name] for name in _COUNTS},
        )

    def _place(self, count: str, record: Record, place: int) -> None:
        self.counts[count] += 1
        self.placed.append((place, record))

    def _chosen(self, purpose: str, share: float) -> list[tuple[int, int]]:
        """About `share` of the customers, at least one, each with its random bits."""
        everybody = np.arange(self.customers, dtype=np.uint64)
        chosen = everybody[Draws(self.seed, everybody).chance(f"has {purpose}", share)]
        return self._with_bits(purpose, chosen if len(chosen) else everybody[:1])

    def _numbered(self, purpose: str, count: int) -> list[tuple[int, int]]:
        return self._with_bits(purpose, np.arange(count, dtype=np.uint64))

    def _with_bits(self, purpose: str, rows: Rows) -> list[tuple[int, int]]:
        return list(zip(rows.tolist(), Draws(self.seed, rows).bits(purpose).tolist(), strict=True))


_COUNTS = (
    "triggers",
    "events",
    "consent_events",
    "unrelated_events",
    "expired",
    "unknown_customers",
    "unknown_campaigns",
    "duplicates",
    "malformed",
    "late",
)
