"""Quiet hours and send windows as one table of the local week: open, or closed until when and why.

Invariant: whether a message may leave depends on what the recipient's clock shows, and on nothing else: an hour that
the clock shows twice is judged alike both times. Knows no zones and no instants; see `pipelines.decide.clock`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from conf.house import Decide
from conf.spans import minute_of_day
from pipelines.campaigns.keys import WEEKDAYS
from pipelines.campaigns.model import CampaignSpec
from pipelines.campaigns.timing import QuietHours, SendWindow

DAY = 1_440
WEEK = 7 * DAY

QUIET, WINDOW = "quiet_hours", "send_window"

#: The house that has no rules of its own.
NO_RULES = Decide()

#: A table: its period in minutes (a day when all days are alike, else a week that begins on Monday), and for each
#: stretch its end, the minute at which the next open one begins (it may lie beyond the period), and why it is closed.
HOURS_TYPE = "struct<period int, segments array<struct<upto int, opens int, reason string>>>"


@dataclass(frozen=True, slots=True)
class Closure:
    """The minutes of the local week in which one rule keeps a campaign closed."""

    reason: str
    otherwise: str
    is_closed: tuple[bool, ...]


def closures(campaign: CampaignSpec, house: Decide) -> list[Closure]:
    """The rules of the campaign and of the house, the more specific last."""
    found = []
    if house.quiet_from is not None and house.quiet_to is not None and campaign.topic != "transactional":
        quiet = _daily(minute_of_day(house.quiet_from), minute_of_day(house.quiet_to), range(7))
        found.append(Closure(QUIET, house.quiet_otherwise, quiet))
    if campaign.quiet_hours is not None:
        found.append(Closure(QUIET, campaign.quiet_hours.otherwise, _quiet(campaign.quiet_hours)))
    if campaign.send_window is not None:
        found.append(Closure(WINDOW, campaign.send_window.otherwise, _outside(campaign.send_window)))
    return found


def hours(rules: Sequence[Closure]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The table of the rules that hold a message and that of those which exclude it, as values of `HOURS_TYPE`.

    Rules that together never open cannot hold, since nothing would ever be released: they exclude."""
    holding = [rule for rule in rules if rule.otherwise == "hold"]
    excluding = [rule for rule in rules if rule.otherwise == "exclude"]
    if is_never_open(holding):
        holding, excluding = [], list(rules)
    return _table(holding), _table(excluding)


def is_never_open(rules: Iterable[Closure]) -> bool:
    """Whether there is no minute of the week in which all the rules let a message through."""
    together = [rule.is_closed for rule in rules]
    return bool(together) and all(any(minutes) for minutes in zip(*together, strict=True))


def _quiet(rule: QuietHours) -> tuple[bool, ...]:
    return _daily(minute_of_day(rule.start), minute_of_day(rule.end), range(7))


def _outside(rule: SendWindow) -> tuple[bool, ...]:
    days = [WEEKDAYS.index(day) for day in rule.days]
    start, end = rule.start or "00:00", rule.end or "00:00"
    return tuple(not is_open for is_open in _daily(minute_of_day(start), minute_of_day(end), days))


def _daily(start: int, end: int, days: Iterable[int]) -> tuple[bool, ...]:
    """The minutes of the week from `start` to `end` of these days; one that ends earlier goes over midnight."""
    marked = [False] * WEEK
    for day in days:
        length = (end - start) % DAY or DAY
        for minute in range(day * DAY + start, day * DAY + start + length):
            marked[minute % WEEK] = True
    return tuple(marked)


def _table(rules: Sequence[Closure]) -> dict[str, Any] | None:
    if not rules:
        return None
    week = [next((r.reason for r in rules if r.is_closed[m]), None) for m in range(WEEK)]
    period = DAY if all(week[m] == week[m % DAY] for m in range(WEEK)) else WEEK
    open_minutes = [m for m in range(period) if week[m] is None]
    segments, start = [], 0
    for reason, stretch in groupby(week[:period]):
        upto = start + len(list(stretch))
        opens = next(
            (m for m in open_minutes if m >= upto), period + open_minutes[0] if open_minutes else None
        )
        segments.append({"upto": upto, "opens": None if reason is None else opens, "reason": reason})
        start = upto
    return {"period": period, "segments": segments}
