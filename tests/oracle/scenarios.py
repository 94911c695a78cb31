"""Invented campaigns, houses, customers and moments, by hypothesis: mostly near the edges where decisions turn.

Invariant: a scenario is complete in itself; campaign and origin are its own, so that many of them fit into one frame.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from hypothesis import strategies as st

from conf.house import Decide
from pipelines.campaigns import Campaign
from tests.builders import audience_row, candidate_row, make_campaign, scheduled_campaign
from tests.oracle.clock import UTC, transitions
from tests.oracle.decisions import Scenario
from tests.oracle.rules import Row

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu",
    "Pacific/Apia", "UTC", "Mars/Olympus", "", None,
)  # fmt: skip
CHANNELS = ("email", "sms", "push")
SECOND = timedelta(seconds=1)


#: Made once: making and checking a strategy costs more than drawing from it.
TWELFTH, THIRTIETH, FEW, MORE = st.integers(0, 11), st.integers(0, 30), st.integers(1, 3), st.integers(4, 7)
TOPIC = st.sampled_from(("marketing", "reminders", "transactional"))
CHOICE = st.sampled_from(("all", "first", "preferred"))
DEFAULT_ZONE = st.sampled_from(("UTC", "Asia/Kathmandu", "America/New_York"))
RATE = st.sampled_from((None, None, {"per_minute": 1}, {"per_minute": 2}))
#: Ramps of runs: even steps, steps of several minutes, and one that is slower than what follows by much.
RAMPED = st.sampled_from(
    (
        {"ramp": [{"minutes": 1, "per_minute": 1}, {"minutes": 2, "per_minute": 2}], "per_minute": 3},
        {"ramp": [{"minutes": 2, "per_minute": 1}, {"minutes": 1, "per_minute": 1}], "per_minute": 2},
        {"ramp": [{"minutes": 3, "per_minute": 1}], "per_minute": 100},
        {"ramp": [{"minutes": 1, "per_minute": 2}, {"minutes": 1, "per_minute": 3}], "per_minute": 3},
    )
)
VARIANTS = st.sampled_from(
    (
        {},
        {"only": 7},
        {"plain": 1, "gift": 1},
        {"plain": 70, "gift": 25, "card": 5},
        {"z": 5, "a": 15, "m": 80},
    )
)
REENTRY = st.sampled_from(("once", {"once_per": "1 minute"}, {"once_per": "61 seconds"}))
NO_ADDRESS, ANY_ZONE = st.sampled_from((None, "", "\t ")), st.sampled_from(ZONES)
PREFERRED = st.sampled_from((*CHANNELS, None, "pigeon"))
INVALID = st.sampled_from((["email"], ["sms", "push"], None))
AGO = st.sampled_from((0, 1, 3_600, 3_599, 3_601, 172_800, 259_200, -60))
ABOUT_NOW, IS_DUE = st.sampled_from((-1, 0, 1)), st.sampled_from((None, None, False, True))
GRANTED = st.sampled_from((True, True, True, True, False, None))
YES, SEED, ORDER = st.booleans(), st.sampled_from(("1", "2")), st.permutations(CHANNELS)
JUMPING = st.sampled_from(("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"))
MINUTES, SECONDS = st.integers(-900, 900), st.sampled_from((-1, 0, 0, 1))


def seldom(draw: st.DrawFn, value: Any, usual: Any = None) -> Any:
    """The value one time in twelve: a row that fails many gates tests only the first."""
    return value if draw(TWELFTH) == 7 else usual


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """About a jump of some clock, or about the hour of any day."""
    zone = draw(JUMPING)
    jumps = transitions(zone, 2026)
    base = draw(
        st.sampled_from((*jumps, datetime(2026, 5, 6, 20, tzinfo=UTC), datetime(2026, 3, 1, 6, tzinfo=UTC)))
    )
    return base + timedelta(minutes=draw(MINUTES), seconds=draw(SECONDS))


times = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.sampled_from((0, 0, 15, 30, 59)))
otherwise = st.sampled_from(("hold", "hold", "exclude"))


@st.composite
def hours(draw: st.DrawFn, has_days: bool) -> Row | None:
    if draw(YES):
        return None
    start, end = draw(times), draw(times)
    if start == end:
        return None
    rule: Row = {"from": start, "to": end, "otherwise": draw(otherwise)}
    if has_days:
        rule["days"] = draw(
            st.lists(st.sampled_from(("mon", "wed", "thu", "sat", "sun")), min_size=1, unique=True)
        )
    return rule


delays = st.one_of(
    st.none(),
    st.none(),
    st.sampled_from(("30 minutes", "1 hour", "2 days")),
    times.map(lambda time: f"until {time} local"),
    st.builds(lambda day, time: f"next {day} {time} local", st.sampled_from(("sunday", "thursday")), times),
)


@st.composite
def campaigns(draw: st.DrawFn, number: int) -> Campaign:
    """One time in twelve of a run, which alone may have a ramp."""
    channels = draw(ORDER)[: draw(FEW)]
    trigger: Row = {"explicit": True}
    if delay := draw(delays):
        trigger["delay"] = delay
    if seldom(draw, True):
        trigger["expires_after"] = "3 days"
    if draw(YES):
        trigger["reentry"] = draw(REENTRY)
    keys: Row = {
        "trigger": trigger,
        "topic": draw(TOPIC),
        "status": seldom(draw, "paused", "active"),
        "channels": list(channels),
        "channel_choice": draw(CHOICE),
        "quiet_hours": draw(hours(False)),
        "send_window": draw(hours(True)),
        "default_time_zone": draw(DEFAULT_ZONE),
        "priority": draw(st.integers(0, 100)),
        "rate": draw(RATE),
        "holdout": seldom(draw, {"percent": 50}),
        "variants": draw(VARIANTS),
    }
    name, ramped = f"campaign_{number}", draw(RAMPED)
    if seldom(draw, True):
        # Few other rules: a ramp shows among messages that nothing else stops.
        easy = {"trigger": None, "status": "active", "send_window": None, "holdout": None, "rate": ramped}
        return scheduled_campaign(campaign_id=name, **keys | easy)
    return make_campaign(None, campaign_id=name, **keys)


@st.composite
def houses(draw: st.DrawFn) -> Decide:
    quiet = seldom(draw, ("21:30", "07:00"))
    start, end = quiet or (None, None)
    return Decide(
        quiet_from=start,
        quiet_to=end,
        quiet_otherwise=cast(Any, draw(otherwise)),
        holdout_percent=seldom(draw, 30.0, 0.0),
        holdout_seed=draw(SEED),
    )


@st.composite
def people(draw: st.DrawFn, name: str) -> Row | None:
    if seldom(draw, True):
        return None
    return audience_row(
        name,
        email=seldom(draw, draw(NO_ADDRESS), f"{name}@example.org"),
        phone=seldom(draw, None, "+12025550101"),
        time_zone=draw(ANY_ZONE),
        preferred_channel=draw(PREFERRED),
        invalid_channels=seldom(draw, draw(INVALID), []),
    )


@st.composite
def scenarios(draw: st.DrawFn, number: int) -> Scenario:
    """A campaign and a few customers, of a run some more, each on all its channels."""
    now, house = draw(moments()), draw(houses())
    campaign = None if draw(THIRTIETH) == 0 else draw(campaigns(number))
    free = seldom(draw, now + timedelta(minutes=3))
    rows: list[Row] = []
    few, more = draw(FEW), draw(MORE)
    for index in range(more if campaign and campaign.kind == "scheduled" else few):
        name = f"c-{number}-{index}"
        person = draw(people(name))
        occurred = now - draw(AGO) * SECOND
        common = {
            "origin": f"o-{number}-{index}",
            "customer_id": name,
            "customer": person,
            "occurred_at": occurred,
            "expires_at": seldom(draw, now + draw(ABOUT_NOW) * SECOND),
            "is_repeated": seldom(draw, True, False),
            "is_due": (is_due := draw(IS_DUE)),
            "has_turn": is_due and draw(st.booleans()),
            "cancelled_by": seldom(draw, "e-9"),
            "entries": seldom(draw, [{"sent_at": now - 60 * SECOND, "source_id": "t-0", "data": "{}"}]),
            "campaign_id": campaign.campaign_id if campaign else f"unknown_{number}",
            "campaign_version": "digest" if campaign else None,
            "campaign_status": campaign.status if campaign else None,
            "consent_topic": campaign.topic if campaign else None,
            "rate_free_at": free,
            "run": None,
        }
        for channel in campaign.channels if campaign else (None,):
            own = {
                "channel": channel,
                "decision_id": f"{name}-{channel}",
                "granted": draw(GRANTED)
                if campaign is None or campaign.trigger
                else seldom(draw, False, True),
                "suppressed_by": seldom(draw, "hard_bounce"),
                "outside_of": seldom(draw, "country = 'AT'"),
            }
            rows.append(candidate_row(**common, **own))
    return Scenario(campaign, house, now, tuple(rows))
