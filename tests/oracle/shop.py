"""The one invented shop of a test run: drawn once, because drawing two thousand histories takes seconds.

Invariant: the same seeds give the same shop.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.world import TRIGGERED, Shop, add_customer, letters, triggered

CUSTOMERS = 2_000
LETTERS = ("letter_0", "letter_1")


@cache
def open_shop(customers: int = CUSTOMERS) -> Shop:
    """The same shop each time. Nothing is shrunk: all of it is decided in a few jobs. Nobody may change it."""
    shop = Shop({}, {}, {})

    def draw_into(count: int, seed: int, add: Any) -> None:
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.seed(seed)
        @given(st.data())
        def collect(data: st.DataObject) -> None:
            add(data.draw)

        collect()

    def add_campaign(draw: Any) -> None:
        # Every example draws alike, as hypothesis asks; of the letters two are kept.
        number = len(shop.conditions)
        campaign, condition = draw(triggered(number))
        letter = draw(letters(number))
        shop.campaigns[campaign.campaign_id] = campaign
        shop.conditions[campaign.campaign_id] = condition
        if number < len(LETTERS):
            shop.campaigns[letter.campaign_id] = letter

    draw_into(TRIGGERED, 20260328, add_campaign)
    numbers = iter(range(10 * customers))
    draw_into(customers, 20260329, lambda draw: add_customer(shop, draw, next(numbers)))
    return shop
