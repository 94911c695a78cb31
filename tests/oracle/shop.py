"""The one invented shop of a test run: drawn once, because drawing two thousand histories takes seconds.

Invariant: the same seeds give the same shop.
"""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from tests.oracle.drawing import draw_times
from tests.oracle.world import TRIGGERED, Shop, add_customer, letters, triggered

CUSTOMERS = 2_000
LETTERS = ("letter_0", "letter_1")
#: What the name of a campaign ends with that has the rules of another one.
TWIN = "_twin"


@cache
def open_shop(customers: int = CUSTOMERS) -> Shop:
    """The same shop each time. Nothing is shrunk: all of it is decided in a few jobs. Nobody may change it."""
    shop = Shop({}, {}, {})

    def add_campaign(data: st.DataObject) -> None:
        # Every example draws alike, as hypothesis asks; of the letters two are kept.
        number = sum(not name.endswith(TWIN) for name in shop.conditions)
        campaign, condition = data.draw(triggered(number))
        letter = data.draw(letters(number))
        shop.campaigns[campaign.campaign_id] = campaign
        shop.conditions[campaign.campaign_id] = condition
        if campaign.trigger and campaign.trigger.event:
            # Rules that are equal make no campaigns equal.
            twin = campaign.model_copy(update={"campaign_id": f"{campaign.campaign_id}{TWIN}"})
            shop.campaigns[twin.campaign_id] = twin
            shop.conditions[twin.campaign_id] = condition
        if number < len(LETTERS):
            shop.campaigns[letter.campaign_id] = letter

    # Of this seed the campaigns have rules enough for each reason that the day is asked for.
    draw_times(TRIGGERED, 20260333, add_campaign)
    numbers = iter(range(10 * customers))
    draw_times(customers, 20260329, lambda data: add_customer(shop, data.draw, next(numbers)))
    return shop
