"""The recipient's clock as Columns: what it shows at an instant, and the instant at which it will show something.

Invariant: pure functions of an instant and a known zone. A local time that the clock skips is read with the offset from
before the gap, and one that it shows twice is the first of the two, unless that has passed (RFC 5545, 3.3.5). Only
the text of `show` needs the session in UTC, as `conf.spark` sets it. Spark fails a job for a zone that it does not
know: zones pass `is_known_zone`.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from schemas.time_zones import known_time_zones

MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US
WEEK_US = 7 * DAY_US
#: Day 0 of the epoch was a Thursday; weeks are counted from Monday.
_MONDAY_US = 3 * DAY_US


def is_known_zone(column: str) -> Column:
    """Whether the named column holds a known zone; null counts as unknown. One parsed text, because building six
    hundred literals takes longer than an epoch's other work."""
    names = ", ".join(f"'{name}'" for name in sorted(known_time_zones()))
    return F.expr(f"coalesce({column} IN ({names}), false)")


def local_us(instant: Column, zone: Column) -> Column:
    """What the clock shows, in microseconds since its own 1970-01-01T00:00."""
    return F.unix_micros(F.from_utc_timestamp(instant, zone))


def position_us(local: Column, period_us: Column) -> Column:
    """How far into its day or week (from Monday) the clock is."""
    return F.pmod(local + F.lit(_MONDAY_US), period_us)


def instant_at(target: Column, instant: Column, local: Column, zone: Column) -> Column:
    """The instant, not before `instant`, at which a clock that shows `local` then will show `target`, both in
    microseconds of the clock; `target` is not less than `local`."""
    first = F.to_utc_timestamp(F.timestamp_micros(target), zone)
    # The first of two has passed: the clock is in its second round, whose offset is that of `instant`.
    second = F.timestamp_micros(F.unix_micros(instant) + target - local)
    return F.when(first >= instant, first).otherwise(second)


def next_at(position: Column, period_us: Column, instant: Column, local: Column, zone: Column) -> Column:
    """The first instant, not before `instant`, at which the clock is `position` microseconds into its period."""
    here = position_us(local, period_us)
    wait = F.pmod(position - here, period_us)
    return instant_at(local + wait, instant, local, zone)


def show(local: Column) -> Column:
    """The clock's day and time as text, such as 'Sun 09:30'."""
    return F.date_format(F.timestamp_micros(local), "E HH:mm")
