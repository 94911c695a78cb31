"""Invented campaigns, houses, customers and moments, by hypothesis: mostly near the edges where decisions turn.

Invariant: a scenario is complete in itself; campaign and origin are its own, so that many of them fit into one frame.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from hypothesis import strategies as st

from conf.house import Decide
from pipelines.campaigns import Campaign
from tests.builders import audience_row, candidate_row, make_campaign
from tests.oracle.clock import UTC, transitions
from tests.oracle.decisions import Scenario
from tests.oracle.rules import Row

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu",
    "Pacific/Apia", "UTC", "Mars/Olympus", "", None,
)  # fmt: skip
CHANNELS = ("email", "sms", "push")
SECOND = timedelta(seconds=1)


def rarely(value: Any, usual: Any = None) -> st.SearchStrategy[Any]:
    """The value one time in twelve: a row that fails many gates tests only the first."""
    return st.integers(0, 11).map(lambda n: value if n == 7 else usual)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """About a jump of some clock, or about the hour of any day."""
    zone = draw(
        st.sampled_from(("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"))
    )
    jumps = transitions(zone, 2026)
    base = draw(
        st.sampled_from((*jumps, datetime(2026, 5, 6, 20, tzinfo=UTC), datetime(2026, 3, 1, 6, tzinfo=UTC)))
    )
    return base + timedelta(
        minutes=draw(st.integers(-900, 900)), seconds=draw(st.sampled_from((-1, 0, 0, 1)))
    )


times = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.sampled_from((0, 0, 15, 30, 59)))
otherwise = st.sampled_from(("hold", "hold", "exclude"))


@st.composite
def hours(draw: st.DrawFn, has_days: bool) -> Row | None:
    if draw(st.booleans()):
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
    channels = draw(st.permutations(CHANNELS))[: draw(st.integers(1, 3))]
    trigger: Row = {"explicit": True}
    if delay := draw(delays):
        trigger["delay"] = delay
    if draw(rarely(True)):
        trigger["expires_after"] = "3 days"
    keys: Row = {
        "trigger": trigger,
        "topic": draw(st.sampled_from(("marketing", "reminders", "transactional"))),
        "status": draw(rarely("paused", "active")),
        "channels": list(channels),
        "channel_choice": draw(st.sampled_from(("all", "first", "preferred"))),
        "quiet_hours": draw(hours(False)),
        "send_window": draw(hours(True)),
        "default_time_zone": draw(st.sampled_from(("UTC", "Asia/Kathmandu", "America/New_York"))),
        "priority": draw(st.integers(0, 100)),
        "rate": draw(st.sampled_from((None, None, {"per_minute": 1}, {"per_minute": 2}))),
        "holdout": draw(rarely({"percent": 50})),
    }
    return make_campaign(None, campaign_id=f"campaign_{number}", **keys)


@st.composite
def houses(draw: st.DrawFn) -> Decide:
    quiet = draw(rarely(("21:30", "07:00")))
    start, end = quiet or (None, None)
    return Decide(
        quiet_from=start,
        quiet_to=end,
        quiet_otherwise=cast(Any, draw(otherwise)),
        holdout_percent=draw(rarely(30.0, 0.0)),
        holdout_seed=draw(st.sampled_from(("1", "2"))),
    )


@st.composite
def people(draw: st.DrawFn, name: str) -> Row | None:
    if draw(rarely(True)):
        return None
    return audience_row(
        name,
        email=draw(rarely(draw(st.sampled_from((None, "", " "))), f"{name}@example.org")),
        phone=draw(rarely(None, "+12025550101")),
        time_zone=draw(st.sampled_from(ZONES)),
        preferred_channel=draw(st.sampled_from((*CHANNELS, None, "pigeon"))),
        invalid_channels=draw(rarely(draw(st.sampled_from((["email"], ["sms", "push"], None))), [])),
    )


@st.composite
def scenarios(draw: st.DrawFn, number: int) -> Scenario:
    """A campaign and one to three customers, each on all its channels."""
    now, house = draw(moments()), draw(houses())
    campaign = None if draw(st.integers(0, 30)) == 0 else draw(campaigns(number))
    free = draw(rarely(now + timedelta(minutes=3)))
    rows: list[Row] = []
    for index in range(draw(st.integers(1, 3))):
        name = f"c-{number}-{index}"
        person = draw(people(name))
        occurred = now - draw(st.sampled_from((0, 1, 3_600, 3_599, 3_601, 172_800, 259_200, -60))) * SECOND
        common = {
            "origin": f"o-{number}-{index}",
            "customer_id": name,
            "customer": person,
            "occurred_at": occurred,
            "expires_at": draw(rarely(now + draw(st.sampled_from((-1, 0, 1))) * SECOND)),
            "is_repeated": draw(rarely(True, False)),
            "is_due": draw(st.sampled_from((None, None, False, True))),
            "cancelled_by": draw(rarely("e-9")),
            "reentered": draw(rarely({"sent_at": now - 60 * SECOND, "source_id": "t-0"})),
            "campaign_id": campaign.campaign_id if campaign else f"unknown_{number}",
            "campaign_version": "digest" if campaign else None,
            "campaign_status": campaign.status if campaign else None,
            "consent_topic": campaign.topic if campaign else None,
            "rate_free_at": free,
        }
        for channel in campaign.channels if campaign else (None,):
            own = {
                "channel": channel,
                "decision_id": f"{name}-{channel}",
                "granted": draw(st.sampled_from((True, True, True, True, False, None))),
                "suppressed_by": draw(rarely("hard_bounce")),
                "outside_of": draw(rarely("country = 'AT'")),
            }
            rows.append(candidate_row(**common, **own))
    return Scenario(campaign, house, now, tuple(rows))
