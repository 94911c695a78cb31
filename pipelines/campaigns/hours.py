"""Quiet hours and send windows as one table of the local week: open, or closed until when and why.

Invariant: whether a message may leave depends on what the recipient's clock shows, and on nothing else: an hour that
the clock shows twice is judged alike both times. Knows no zones and no instants; see `pipelines.decide.clock`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conf.house import Decide
from conf.spans import minute_of_day
from pipelines.campaigns.keys import WEEKDAYS
from pipelines.campaigns.model import CampaignSpec

DAY = 1_440
WEEK = 7 * DAY

QUIET, WINDOW = "quiet_hours", "send_window"

#: The house that has no rules of its own.
NO_RULES = Decide()

#: A table: its period in minutes (a day when all days are alike, else a week that begins on Monday), and for each
#: stretch its end, the minute at which the next open one begins (it may lie beyond the period), and why it is closed.
Hours = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Closure:
    """One rule: it marks, from these days (0 is Monday), the minutes from `start` to `end`, over midnight when that is
    earlier. A quiet rule closes what it marks, a window closes all else."""

    reason: str
    otherwise: str
    start: int
    end: int
    days: tuple[int, ...]

    def is_closed(self, minute: int) -> bool:
        """Whether the rule closes this minute of the week."""
        length = (self.end - self.start) % DAY or DAY
        since = (minute - self.start) % WEEK
        is_marked = since // DAY in self.days and since % DAY < length
        return is_marked == (self.reason == QUIET)

    def edges(self) -> set[int]:
        """The minutes of the week at which that may change."""
        return {(day * DAY + time) % WEEK for day in range(7) for time in (self.start, self.end)}


def closures(campaign: CampaignSpec, house: Decide) -> list[Closure]:
    """The rules of the campaign and of the house; of several that close at once, the first is named."""
    found = []
    if house.quiet_from is not None and house.quiet_to is not None and campaign.topic != "transactional":
        found.append(_closure(QUIET, house.quiet_otherwise, house.quiet_from, house.quiet_to))
    if quiet := campaign.quiet_hours:
        found.append(_closure(QUIET, quiet.otherwise, quiet.start, quiet.end))
    if window := campaign.send_window:
        days = tuple(WEEKDAYS.index(day) for day in window.days)
        start, end = window.start or "00:00", window.end or "00:00"
        found.append(_closure(WINDOW, window.otherwise, start, end, days))
    return found


def hours(rules: Sequence[Closure]) -> tuple[Hours | None, Hours | None]:
    """The table of the rules that hold a message and that of those which exclude it, as `Hours`.

    Rules that together never open cannot hold, since nothing would ever be released: they exclude."""
    holding = [rule for rule in rules if rule.otherwise == "hold"]
    excluding = [rule for rule in rules if rule.otherwise == "exclude"]
    if is_never_open(holding):
        holding, excluding = [], list(rules)
    return _table(holding), _table(excluding)


def is_never_open(rules: Sequence[Closure]) -> bool:
    """Whether there is no minute of the week in which all the rules let a message through."""
    return bool(rules) and all(reason is not None for _, reason in _stretches(rules))


def _closure(
    reason: str, otherwise: str, start: str, end: str, days: tuple[int, ...] = tuple(range(7))
) -> Closure:
    return Closure(reason, otherwise, minute_of_day(start), minute_of_day(end), days)


def _stretches(rules: Sequence[Closure]) -> list[tuple[int, str | None]]:
    """(minute of the week at which it begins, why it is closed or None) of each stretch, from minute 0."""
    found: list[tuple[int, str | None]] = []
    for minute in sorted({0}.union(*(rule.edges() for rule in rules))):
        reason = next((rule.reason for rule in rules if rule.is_closed(minute)), None)
        if not found or found[-1][1] != reason:
            found.append((minute, reason))
    return found


def _table(rules: Sequence[Closure]) -> dict[str, Any] | None:
    if not rules:
        return None
    stretches, period = _stretches(rules), WEEK
    if all(rule.days == tuple(range(7)) for rule in rules):
        stretches, period = [one for one in stretches if one[0] < DAY], DAY
    opening = [minute for minute, reason in stretches if reason is None]
    ends = [minute for minute, _ in stretches[1:]] + [period]
    segments = []
    for upto, (_, reason) in zip(ends, stretches, strict=True):
        later = (*(minute for minute in opening if minute >= upto), *(period + minute for minute in opening))
        opens = None if reason is None else next(iter(later), None)
        segments.append({"upto": upto, "opens": opens, "reason": reason})
    return {"period": period, "segments": segments}
