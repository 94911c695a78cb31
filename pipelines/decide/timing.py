"""When a candidate may be sent to: its zone and local time, the end of its delay, open and closed hours.

Invariant: everything here is a function of the row and the pinned clock. A hold that falls due has served its delay;
its hours are judged anew. A trigger from the future counts as from now, so that no clock but ours can hold a message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns.hours import QUIET, WINDOW
from pipelines.decide.clock import (
    DAY_US,
    MINUTE_US,
    WEEK_US,
    instant_at,
    is_known_zone,
    local_us,
    next_at,
    position_us,
    show,
)

#: Where nothing else is known.
LAST_ZONE = "UTC"


def with_times(rows: DataFrame) -> DataFrame:
    """Add `zone`, `zone_note`, `deadline`, `delayed_until`, `shown` (the local clock at `decided_at`, in microseconds,
    null when no rule asks), `held_by`, `opens_at` and `excluded_by`. Grain unchanged; reads `decided_at`, `customer`,
    `policy`. Several selects, so that what is used twice is computed once."""
    zoned = rows.select("*", *_zone())
    clocked = zoned.select(
        "*", _shown().alias("shown"), _deadline().alias("deadline"), _delay().alias("delayed_until")
    )
    placed = clocked.select(
        "*", _segment("holding").alias("_holding"), _segment("excluding").alias("_excluding")
    )
    timed = placed.select(
        "*",
        F.col("_holding.reason").alias("held_by"),
        _opening().alias("opens_at"),
        F.col("_excluding.reason").alias("excluded_by"),
    )
    return timed.drop("_holding", "_excluding")


def is_delayed() -> Column:
    """Whether the delay still runs; false when there is none."""
    return F.coalesce(F.col("delayed_until") > F.col("decided_at"), F.lit(False))


def _zone() -> list[Column]:
    own, default = F.col("customer.time_zone"), F.coalesce("policy.default_time_zone", F.lit(LAST_ZONE))
    # The text is the extract's; what is no zone may be anything.
    unknown = F.concat(F.lit(" (default; '"), F.substring(own, 1, 40), F.lit("' is no zone)"))
    is_known = is_known_zone("customer.time_zone")
    return [
        F.when(is_known, own).otherwise(default).alias("zone"),
        F.when(~is_known, F.coalesce(unknown, F.lit(" (default)"))).alias("zone_note"),
    ]


def _shown() -> Column:
    asks = F.col("policy.holding").isNotNull() | F.col("policy.excluding").isNotNull()
    return F.when(asks, local_us(F.col("decided_at"), F.col("zone")))


def _deadline() -> Column:
    """After this it is not sent: the trigger's own end or the campaign's, whichever is first; null for none."""
    limit = F.timestamp_micros(
        F.unix_micros("occurred_at") + F.col("policy.expires_after_s") * F.lit(1_000_000)
    )
    return F.least(F.col("expires_at"), limit)


def _delay() -> Column:
    """When the delay ends; null when there is none or it is served."""
    start = F.least(F.col("occurred_at"), F.col("decided_at"))
    delay, zone = F.col("policy.delay"), F.col("zone")
    span = F.timestamp_micros(F.unix_micros(start) + delay["seconds"] * F.lit(1_000_000))
    period = F.when(delay["kind"] == "weekday", F.lit(WEEK_US)).otherwise(F.lit(DAY_US))
    day = F.coalesce(delay["weekday"], F.lit(0)).cast("long")
    position = (day * 1_440 + delay["minute"]) * MINUTE_US
    until = next_at(position, period, start, local_us(start, zone), zone)
    ends = F.when(delay["kind"] == "span", span).otherwise(until)
    is_waiting = delay.isNotNull() & ~F.coalesce("is_due", F.lit(False))
    return F.when(is_waiting, ends)


def _position() -> Column:
    return position_us(F.col("shown"), F.col("policy.holding.period").cast("long") * MINUTE_US)


def _segment(table: str) -> Column:
    """The stretch of the table in which the clock is; null without rules."""
    period = F.col(f"policy.{table}.period").cast("long") * MINUTE_US
    position = position_us(F.col("shown"), period)
    segments = F.col(f"policy.{table}.segments")
    found = F.filter(segments, lambda one: one["upto"].cast("long") * MINUTE_US > position)
    return F.when(F.col("shown").isNotNull() & segments.isNotNull(), F.get(found, F.lit(0)))


def _opening() -> Column:
    """The instant at which a closed campaign opens for this customer; null while it is open."""
    wait = F.col("_holding.opens").cast("long") * MINUTE_US - _position()
    shown = F.col("shown")
    opening = instant_at(shown + wait, F.col("decided_at"), shown, F.col("zone"))
    return F.when(F.col("_holding.reason").isNotNull(), opening)


def time_shown() -> Column:
    """The local time and the zone it was read in, such as 'Sun 09:30 Europe/Vienna'; null when no rule asks."""
    return F.concat(show(F.col("shown")), F.lit(" "), F.col("zone"), F.coalesce("zone_note", F.lit("")))


@dataclass(frozen=True)
class Hold:
    """A reason to wait: `due` is the instant until which, null when there is none; evidence is what decided."""

    name: str
    reason: str
    due: Callable[[], Column]
    evidence: Callable[[], Column]


def _opens_after(rule: str) -> Column:
    return F.when(F.col("held_by") == rule, F.col("opens_at"))


HOLDS: tuple[Hold, ...] = (
    Hold(
        "delay",
        "held_delay",
        lambda: F.when(is_delayed(), F.col("delayed_until")),
        lambda: F.col("delayed_until"),
    ),
    Hold("quiet_hours_hold", "held_quiet_hours", lambda: _opens_after(QUIET), time_shown),
    Hold("send_window_hold", "held_window", lambda: _opens_after(WINDOW), time_shown),
)
