"""A day of the stream in many epochs and the same day in one: alike for everybody for whom the rules say it must be.

It is the plain-Python day that is compared with itself; that the pipeline decides as it does, `test_day` shows. What
may differ is listed in docs/decisions.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from tests.builders import NOW
from tests.oracle.day import Day
from tests.oracle.past import Past
from tests.oracle.shop import open_shop
from tests.oracle.world import HOUSE, MOMENTS, Record, Shop

#: Events that change what is decided of the customer from then on.
CHANGING = ("consent.changed", "customer.suppressed", "customer.erased", "order.refunded", "customer.left")
#: Reasons that come from comparing messages with each other.
Outcome = tuple[str, str, str | None, str | None, datetime | None]
COMPARED = ("frequency_capped", "lost_to_priority", "reentry")


def outcomes(shop: Shop, epochs: Sequence[list[Record]]) -> dict[str, Counter[Outcome]]:
    """What became of each customer; all epochs at one time, so that no hour and no delay tells them apart."""
    day = Day(shop.people, shop.campaigns, HOUSE, Past(NOW), shop.conditions)
    for records in epochs:
        day.epoch(MOMENTS[-1], records)
    found: dict[str, Counter[Outcome]] = {}
    for (_, source_id, campaign_id, customer_id, channel), verdicts in day.decided.items():
        counted = found.setdefault(customer_id, Counter())
        counted.update((source_id, campaign_id, channel, one.reason, one.due_at) for one in verdicts)
    return found


def test_what_may_differ_between_many_epochs_and_one() -> None:
    shop = open_shop()
    records = [record for moment in shop.records for record in moment]
    size = len(records) // 12
    many = outcomes(shop, [records[at : at + size] for at in range(0, len(records), size)])
    one = outcomes(shop, [records])
    assert set(many) == set(one)
    changed = {document["customer_id"] for _, document in records if document.get("type") in CHANGING}
    compared = {
        name
        for found in (many, one)
        for name, counted in found.items()
        if any(outcome[3] in COMPARED for outcome in counted)
    }
    differing = {name for name in many if many[name] != one[name]}
    assert differing <= changed | compared
    # Each of the two causes does make a difference, and most of the customers have neither.
    assert differing & changed - compared
    assert differing & compared - changed
    assert len(set(many) - changed - compared) > 500
