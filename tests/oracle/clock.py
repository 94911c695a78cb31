"""The recipient's clock by zoneinfo, one instant at a time: slow, plain, and of another library than Spark's.

Invariant: shares no code with `pipelines.decide`; tries day after day where the pipeline computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

UTC = timezone.utc
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def shown(instant: datetime, zone: str) -> datetime:
    """What the clock shows: a time without a zone."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def instant_of(local: datetime, zone: str, not_before: datetime) -> datetime:
    """When the clock shows it. RFC 5545: a time in a gap is read with the offset before the gap, a time that comes
    twice is the first of the two; unless that is over."""
    first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return first if first >= not_before else max(first, second)


def following(instant: datetime, zone: str, text: str) -> datetime:
    """The end of a delay 'until HH:MM local' or 'next DAY HH:MM local'."""
    words = text.split()
    hour, minute = map(int, words[-2].split(":"))
    here = shown(instant, zone)
    for days in range(9):
        local = (here + timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0)
        if local >= here and (words[0] == "until" or DAYS[local.weekday()] == words[1]):
            return instant_of(local, zone, instant)
    raise AssertionError(text)


def opening(
    instant: datetime, zone: str, times: Iterable[str], is_open: Callable[[datetime], bool]
) -> datetime | None:
    """The instant at which the clock first shows an open minute; None when it shows one now. It can only open at
    midnight or at one of the times that the rules name."""
    here = shown(instant, zone)
    if is_open(here):
        return None
    for days in range(9):
        for time in sorted({"00:00", *times}):
            hour, minute = map(int, time.split(":"))
            local = (here + timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0)
            if local > here and is_open(local):
                return instant_of(local, zone, instant)
    raise AssertionError(f"never open after {here}")


@cache
def transitions(zone: str, year: int) -> tuple[datetime, ...]:
    """The instants of a year at which the zone's offset changes, to the second."""
    found = []
    at, step = datetime(year, 1, 1, tzinfo=UTC), timedelta(hours=6)
    while at.year == year:
        if _offset(at, zone) != _offset(at + step, zone):
            low, high = at, at + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                low, high = (middle, high) if _offset(middle, zone) == _offset(at, zone) else (low, middle)
            found.append(high)
        at += step
    return tuple(found)


def _offset(instant: datetime, zone: str) -> timedelta | None:
    return instant.astimezone(ZoneInfo(zone)).utcoffset()
