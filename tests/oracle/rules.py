"""The rules of a campaign read from its declaration, as a person would: for one customer, one channel, one moment.

Invariant: shares no code with `pipelines.decide` and reads no policy; only what stands in `campaign.yaml` and in the
rules of the house.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from conf.house import Decide
from pipelines.campaigns import Campaign
from tests.oracle.clock import UTC, following, opening, shown

Row = dict[str, Any]
#: (name, from, to, days, otherwise) of one rule about hours; days None: quiet hours.
Hours = tuple[str, str, str, tuple[str, ...] | None, str]
_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
#: Asked once: it reads a folder.
ZONES = available_timezones()
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def span(text: str) -> timedelta:
    number, unit = text.split()
    return timedelta(seconds=int(number) * _UNITS[unit.rstrip("s")])


def zone_of(row: Row, campaign: Campaign | None) -> str:
    own = (row["customer"] or {}).get("time_zone")
    if own in ZONES:
        return str(own)
    return campaign.default_time_zone if campaign else "UTC"


def drawn(word: str, seed: str, customer_id: str) -> int:
    """The number that docs/campaigns.md draws by."""
    digest = hashlib.md5("\x1f".join((word, seed, customer_id)).encode()).hexdigest()
    return int(digest[:13], 16)


def held_out(seed: str, customer_id: str, percent: float) -> bool:
    return drawn("holdout", seed, customer_id) % 10_000 < round(percent * 100)


def variant_of(campaign: Campaign | None, customer_id: str) -> str | None:
    """As many tickets as the weights say, in the order of the file; the customer's number names one of them."""
    if campaign is None or not campaign.variants:
        return None
    tickets = [name for name, weight in campaign.variants.items() for _ in range(weight)]
    return tickets[drawn("variant", campaign.campaign_id, customer_id) % len(tickets)]


def deadline(row: Row, campaign: Campaign | None) -> datetime | None:
    ends = [row["expires_at"]]
    if campaign and campaign.trigger and campaign.trigger.expires_after and row["occurred_at"]:
        ends.append(row["occurred_at"] + span(campaign.trigger.expires_after))
    return min((end for end in ends if end), default=None)


def delayed_until(row: Row, campaign: Campaign | None, now: datetime) -> datetime | None:
    if campaign is None or campaign.trigger is None or campaign.trigger.delay is None or row["is_due"]:
        return None
    start = min(row["occurred_at"], now)
    delay = campaign.trigger.delay
    return following(start, zone_of(row, campaign), delay) if "local" in delay else start + span(delay)


def hours_of(campaign: Campaign, house: Decide) -> tuple[Hours, ...]:
    found: list[Hours] = []
    if house.quiet_from and house.quiet_to and campaign.topic != "transactional":
        found.append(("quiet_hours", house.quiet_from, house.quiet_to, None, house.quiet_otherwise))
    if quiet := campaign.quiet_hours:
        found.append(("quiet_hours", quiet.start, quiet.end, None, quiet.otherwise))
    if window := campaign.send_window:
        ends = (window.start or "00:00", window.end or "00:00")
        found.append(("send_window", *ends, tuple(window.days), window.otherwise))
    holding = tuple(rule for rule in found if rule[4] == "hold")
    if holding and not _ever_opens(holding):
        return tuple((*rule[:4], "exclude") for rule in found)
    return tuple(found)


@cache
def _ever_opens(rules: tuple[Hours, ...]) -> bool:
    monday = datetime(2024, 1, 1)  # noqa: DTZ001 - what a clock shows has no zone
    moments = [
        datetime.combine(monday + timedelta(days=day), datetime.strptime(time, "%H:%M").time())  # noqa: DTZ007
        for day in range(7)
        for time in ("00:00", *times_in(rules))
    ]
    return any(all(is_open(rule, moment) for rule in rules) for moment in moments)


def times_in(rules: tuple[Hours, ...]) -> list[str]:
    return [time for rule in rules for time in rule[1:3]]


def is_open(rule: Hours, local: datetime) -> bool:
    _, start, end, days, _ = rule
    time = f"{local.hour:02d}:{local.minute:02d}"
    if days is None:
        return not (start <= time < end if start < end else time >= start or time < end)
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    if start < end:
        return today in days and start <= time < end
    return (today in days and time >= start) or (yesterday in days and time < end)


def closed_by(row: Row, campaign: Campaign, house: Decide, now: datetime, otherwise: str) -> str | None:
    """The first rule of the kind that is closed now."""
    local = shown(now, zone_of(row, campaign))
    rules = [rule for rule in hours_of(campaign, house) if rule[4] == otherwise]
    return next((rule[0] for rule in rules if not is_open(rule, local)), None)


def opens_at(row: Row, campaign: Campaign, house: Decide, now: datetime) -> datetime | None:
    rules = tuple(rule for rule in hours_of(campaign, house) if rule[4] == "hold")
    return _opens_at(rules, zone_of(row, campaign), now)


@cache
def _opens_at(rules: tuple[Hours, ...], zone: str, now: datetime) -> datetime | None:
    found = opening(now, zone, times_in(rules), lambda local: all(is_open(rule, local) for rule in rules))
    return found.astimezone(UTC) if found else None
