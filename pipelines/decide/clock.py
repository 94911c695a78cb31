"""The recipient's clock: what it shows at an instant, and the instant at which it will show something.

Invariant: pure functions of an instant and a known zone. A local time that the clock skips is read with the offset from
before the gap, and one that it shows twice is the first of the two, unless that has passed (RFC 5545, 3.3.5). What a
clock shows is a `datetime` without a zone.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.time_zones import known_time_zones

UTC = timezone.utc
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_known_zone(name: str | None) -> bool:
    """Whether it names a zone that we know; None does not."""
    return name in known_time_zones()


def shown(instant: datetime, zone: str) -> datetime:
    """What the clock shows."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def first_instant(local: datetime, zone: str) -> datetime:
    """The first instant at which the clock shows it."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def position(local: datetime, period: timedelta) -> timedelta:
    """How far into its day or week (from Monday) the clock is; `period` is `DAY` or `WEEK`."""
    monday = datetime(1970, 1, 5)  # noqa: DTZ001  # a clock's own time
    return (local - monday) % period


def instant_at(target: datetime, instant: datetime, local: datetime, zone: str) -> datetime:
    """The instant, not before `instant`, at which a clock that shows `local` then will show `target`, which is not
    less than `local`."""
    first = first_instant(target, zone)
    # The first of two has passed: the clock is in its second round, whose offset is that of `instant`.
    return first if first >= instant else instant + (target - local)


@lru_cache(maxsize=65_536)
def next_at(minute: int, period: timedelta, instant: datetime, zone: str) -> datetime:
    """The first instant, not before `instant`, at which the clock is so many minutes into its day or week."""
    local = shown(instant, zone)
    wait = (timedelta(minutes=minute) - position(local, period)) % period
    return instant_at(local + wait, instant, local, zone)


@lru_cache(maxsize=65_536)
def period_start(per: str, instant: datetime, zone: str) -> datetime:
    """When the recipient's current day, week (from Monday) or month began."""
    local = shown(instant, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "week":
        local -= timedelta(days=local.weekday())
    elif per == "month":
        local = local.replace(day=1)
    return first_instant(local, zone)


def show(local: datetime) -> str:
    """The clock's day and time as text, such as 'Sun 09:30'."""
    return f"{_DAYS[local.weekday()]} {local:%H:%M}"
