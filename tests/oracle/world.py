"""An invented shop by hypothesis: campaigns with every rule, customers, and what happens to each of them in a day.

Invariant: what happens to one customer is one scenario, drawn by itself; all of them share the campaigns, so that a
thousand histories fit into a few epochs. The same seed gives the same shop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from conf.house import Decide
from pipelines.campaigns import Campaign
from tests.builders import Row, audience_row, consent, event, make_campaign, scheduled_campaign, trigger
from tests.oracle.clock import UTC
from tests.oracle.scenarios import CHANNELS, SECOND, ZONES, delays, hours, seldom

#: The clocks of Europe jump in the night between the two.
MOMENTS = (datetime(2026, 3, 28, 20, 30, tzinfo=UTC), datetime(2026, 3, 29, 7, 15, tzinfo=UTC))
HOUSE = Decide.model_validate(
    {
        "quiet_from": "23:30",
        "quiet_to": "06:00",
        "holdout_percent": 2.0,
        "frequency_caps": [
            {"at_most": 3, "per": "2 days"},
            {"at_most": 2, "per": "day", "channel": "sms"},
            {"at_most": 2, "per": "week", "category": "marketing"},
        ],
    }
)
TRIGGERED = 10
RULES = ("array_contains(segments, 'loyal')", "loyalty_points >= 5")
Record = tuple[str, Row]

#: Made once: making and checking a strategy costs more than drawing from it.
ANY_MOMENT, COUNT = st.integers(0, len(MOMENTS) - 1), st.integers(1, 5)
ANY_CHANNEL, YES = st.sampled_from(CHANNELS), st.booleans()
PREFERRED = st.sampled_from((*CHANNELS, None))
ANY_ZONE = st.sampled_from(ZONES)
SEGMENTS = st.sampled_from((("loyal",), ("loyal", "new"), (), None))
POINTS = st.sampled_from((4, 5, 6, None))
PLAN, TOTAL = st.sampled_from(("a", "b", None)), st.sampled_from((20.0, 20.5, 90.0, None))
AGO, KIND = st.sampled_from((0, 1, 600, 3_600, 86_400, 172_800, -3_600)), st.integers(0, 19)
CHOSEN, ENDS = st.integers(0, TRIGGERED), st.sampled_from((0, 1, 30_000))
TOPIC = st.sampled_from(("marketing", "reminders"))
LIFTS = st.sampled_from((True, True, False))
LEAVES = st.sampled_from(("customer.erased", "customer.left"))
IS_KNOWN = st.integers(0, 24)


@dataclass(frozen=True)
class Shop:
    """Everything that is given: `records` by moment."""

    campaigns: dict[str, Campaign]
    conditions: dict[str, Callable[[Row], bool]]
    people: dict[str, Row]
    records: tuple[list[Record], ...] = field(default_factory=lambda: tuple([] for _ in MOMENTS))


def outside(person: Row) -> str | None:
    """The clause of `RULES` that a customer fails."""
    if "loyal" not in (person["segments"] or []):
        return RULES[0]
    return None if (person["loyalty_points"] or 0) >= 5 else RULES[1]


def is_dear(properties: Row) -> bool:
    """What `total > 20` means; null is no."""
    return properties.get("total") is not None and properties["total"] > 20


caps = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"at_most": st.integers(1, 2), "per": st.sampled_from(("day", "week", "11 hours"))}
        ),
        st.fixed_dictionaries(
            {
                "at_most": st.integers(1, 3),
                "per": st.sampled_from(("month", "1 day")),
                "category": st.sampled_from(("marketing", "reminders", "news")),
                "channel": st.sampled_from((None, "sms", "email")),
            }
        ),
    ),
    max_size=2,
)
reentries = st.sampled_from((None, None, "once", {"once_per": "10 hours"}, {"once_per": "plan"}))
cancels = st.sampled_from(
    (
        [],
        [{"event": "order.refunded", "match": "plan"}],
        [{"event": "order.refunded"}, {"event": "customer.left"}],
    )
)


@st.composite
def triggered(draw: st.DrawFn, number: int) -> tuple[Campaign, Callable[[Row], bool]]:
    """A campaign, and what its condition means."""
    is_fired = number % 3 == 0
    is_picky = draw(st.booleans()) and is_fired
    source: Row = {"event": "order.placed"} if is_fired else {"explicit": True}
    delay, window = draw(delays), draw(hours(True).filter(bool))
    rule = {
        **source,
        "delay": delay if number % 2 else None,
        "reentry": draw(reentries),
        "cancel_on": draw(cancels),
    }
    if is_picky:
        rule["when"] = "total > 20"
    if seldom(draw, True):
        rule["expires_after"] = "3 days"
    keys: Row = {
        "campaign_id": f"campaign_{number}",
        "trigger": {name: value for name, value in rule.items() if value is not None},
        "data": {"plan": "string", "total": "double"},
        "topic": draw(st.sampled_from(("marketing", "reminders", "transactional"))),
        "category": draw(st.sampled_from((None, None, "news"))),
        "status": "paused" if number == 5 else "active",
        "channels": list(draw(st.permutations(CHANNELS))[: draw(st.integers(1, 3))]),
        "channel_choice": draw(st.sampled_from(("all", "first", "preferred"))),
        "quiet_hours": draw(hours(False)),
        "send_window": window if number % 4 < 2 else None,
        "default_time_zone": draw(st.sampled_from(("UTC", "Asia/Kathmandu", "America/New_York"))),
        "priority": draw(st.integers(0, 3)),
        "holdout": {"percent": 20} if number in (2, 7) else None,
        "frequency_caps": draw(caps),
    }
    return make_campaign(None, **keys), is_dear if is_picky else lambda _: True


@st.composite
def letters(draw: st.DrawFn, number: int) -> Campaign:
    """A run over everybody; the first on one channel alone."""
    return scheduled_campaign(
        campaign_id=f"letter_{number}",
        audience={"where": " AND ".join(RULES), "record_outside": number == 1},
        topic=draw(st.sampled_from(("marketing", "reminders"))),
        channels=["sms"] if number == 0 else list(CHANNELS),
        channel_choice=draw(st.sampled_from(("first", "preferred"))),
        quiet_hours=draw(hours(False)),
        priority=draw(st.integers(0, 3)),
        frequency_caps=draw(caps),
    )


ANSWERS = [(channel, topic) for channel in CHANNELS for topic in ("marketing", "reminders", "transactional")]
few_answers = st.lists(st.sampled_from(ANSWERS), max_size=2)


@st.composite
def persons(draw: st.DrawFn, name: str) -> Row:
    refused, unasked = draw(few_answers), draw(few_answers)
    answers = [consent(*about, about not in refused) for about in ANSWERS if about not in unasked]
    return audience_row(
        name,
        email=seldom(draw, None, f"{name}@example.org"),
        phone=seldom(draw, " ", "+12025550101"),
        time_zone=draw(ANY_ZONE),
        preferred_channel=draw(PREFERRED),
        invalid_channels=seldom(draw, ["email"], []),
        segments=draw(SEGMENTS),
        loyalty_points=draw(POINTS),
        consents=answers,
    )


def properties(draw: st.DrawFn) -> Row:
    found: Row = {}
    if (plan := draw(PLAN)) or draw(YES):
        found["plan"] = plan
    if (total := draw(TOTAL)) is not None:
        found["total"] = total
    return found


def _happening(draw: st.DrawFn, name: str, number: str, now: datetime) -> Record:
    """One record about a customer; mostly a trigger or an order."""
    ago = draw(AGO)
    about: Row = {"customer_id": name, "occurred_at": _text(now - ago * SECOND)}
    kind = draw(KIND)
    if kind < 11:
        chosen = draw(CHOSEN)
        campaign_id = "letter_0" if chosen == TRIGGERED else f"campaign_{chosen}"
        made = trigger(f"t-{number}", campaign_id=campaign_id, data=properties(draw), **about)
        if seldom(draw, True):
            made["expires_at"] = _text(now + draw(ENDS) * SECOND)
        return "campaign.triggers", made
    said: Row = {"channel": draw(ANY_CHANNEL)}
    if kind < 15:
        return "customer.events", event(
            f"e-{number}", type="order.placed", properties=properties(draw), **about
        )
    if kind < 17:
        return "customer.events", event(
            f"e-{number}", type="order.refunded", properties=properties(draw), **about
        )
    if kind == 17:
        said |= {"topic": draw(TOPIC), "granted": draw(YES)}
        return "customer.events", event(f"e-{number}", type="consent.changed", properties=said, **about)
    if kind == 18:
        said = said if draw(YES) else {}
        said = {**said, "cause": "complaint", "suppressed": draw(LIFTS)}
        return "customer.events", event(f"e-{number}", type="customer.suppressed", properties=said, **about)
    kind_of_end = draw(LEAVES)
    return "customer.events", event(f"e-{number}", type=kind_of_end, properties={}, **about)


@st.composite
def histories(draw: st.DrawFn, name: str) -> list[tuple[int, Record]]:
    """What happens to one customer: (which moment, record), a few of them told twice."""
    found: list[tuple[int, Record]] = []
    for number in range(draw(COUNT)):
        moment = draw(ANY_MOMENT)
        record = _happening(draw, name, f"{name}-{number}", MOMENTS[moment])
        found.append((moment, record))
        if seldom(draw, True):
            found.append((max(moment, draw(ANY_MOMENT)), record))
    return found


def _text(at: datetime) -> str:
    return (at + timedelta()).isoformat().replace("+00:00", "Z")


def add_customer(shop: Shop, draw: Callable[[Any], Any], number: int) -> None:
    """One more scenario."""
    name = f"c-{number}"
    if draw(IS_KNOWN):
        shop.people[name] = draw(persons(name))
    for moment, record in draw(histories(name)):
        shop.records[moment].append(record)
