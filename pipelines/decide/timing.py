"""When a candidate may be sent to: its zone and local time, the end of its delay, open and closed hours.

Invariant: everything here is a function of the row and the pinned clock. A hold that falls due has served its delay;
its hours are judged anew. A trigger from the future counts as from now, so that no clock but ours can hold a message.
What depends on the zone alone is computed once for each zone there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns.hours import QUIET, WINDOW
from pipelines.decide import clock as clocks
from pipelines.decide.rows import Rows, map_distinct

#: Where nothing else is known.
LAST_ZONE = "UTC"
TIMESTAMP = pa.timestamp("us", tz="UTC")
_SHOWN = ("zone", "clock_of", "shown", "held_by", "opens_at", "excluded_by")
_ZONE_FACTS = pa.struct([(name, TIMESTAMP if name == "opens_at" else pa.string()) for name in _SHOWN])


def add_times(rows: Rows) -> None:
    """Compute `zone`, `clock_of` (the same in words: why it is not the customer's own), `shown` (the local clock as
    text, null when no rule asks), `held_by`, `opens_at`, `excluded_by`, `deadline` and `delayed_until`."""
    facts = map_distinct(lambda zone: _zone_facts(rows, zone), rows.customer("time_zone"), _ZONE_FACTS)
    for name in _SHOWN:
        rows.computed[name] = pc.struct_field(facts, name)
    rows.computed["deadline"] = _deadline(rows)
    rows.computed["delayed_until"] = _delays(rows)
    until = rows.computed["delayed_until"]
    rows.computed["is_delayed"] = pc.fill_null(pc.greater(until, pa.scalar(rows.clock, TIMESTAMP)), False)


def _zone_facts(rows: Rows, own: str | None) -> dict[str, Any]:
    """What holds for everybody in a zone."""
    zone, note = own, ""
    if own is None or not clocks.is_known_zone(own):
        zone = rows.rule("default_time_zone") or LAST_ZONE
        # The text is the extract's; what is no zone may be anything.
        note = " (default)" if own is None else f" (default; '{own[:40]}' is no zone)"
    assert zone is not None
    facts: dict[str, Any] = dict.fromkeys(_SHOWN) | {"zone": zone, "clock_of": f"{zone}{note}"}
    holding, excluding = rows.rule("holding"), rows.rule("excluding")
    if holding is None and excluding is None:
        return facts
    local = clocks.shown(rows.clock, zone)
    facts["shown"] = f"{clocks.show(local)} {facts['clock_of']}"
    if excluding is not None:
        facts["excluded_by"] = _segment(excluding, local)["reason"]
    if holding is not None and (closed := _segment(holding, local))["reason"] is not None:
        wait = timedelta(minutes=closed["opens"]) - clocks.position(local, _period(holding))
        facts["held_by"] = closed["reason"]
        facts["opens_at"] = clocks.instant_at(local + wait, rows.clock, local, zone)
    return facts


def _period(table: Mapping[str, Any]) -> timedelta:
    return timedelta(minutes=table["period"])


def _segment(table: Mapping[str, Any], local: datetime) -> dict[str, Any]:
    """The stretch of the table in which the clock is."""
    here = clocks.position(local, _period(table))
    found: dict[str, Any] = next(one for one in table["segments"] if timedelta(minutes=one["upto"]) > here)
    return found


def _deadline(rows: Rows) -> pa.Array:
    """After this it is not sent: the trigger's own end or the campaign's, whichever is first; null for none."""
    ends, seconds = rows.column("expires_at"), rows.rule("expires_after_s")
    occurred = rows.column("occurred_at")
    if seconds is None:
        return ends
    return _earlier(ends, pc.add(occurred, pa.scalar(timedelta(seconds=seconds))))


def _delays(rows: Rows) -> pa.Array:
    """When the delay ends; null when there is none or it is served."""
    delay, is_due = rows.rule("delay"), pc.fill_null(rows.column("is_due"), False)
    if delay is None:
        return pa.nulls(len(rows), TIMESTAMP)
    start = _earlier(rows.column("occurred_at"), rows.all(rows.clock, TIMESTAMP))
    if delay["kind"] == "span":
        ends = pc.add(start, pa.scalar(timedelta(seconds=delay["seconds"])))
    else:
        period = clocks.WEEK if delay["kind"] == "weekday" else clocks.DAY
        minute = (delay["weekday"] or 0) * 1_440 + delay["minute"]
        pairs = zip(start.to_pylist(), rows.column("zone").to_pylist(), strict=True)
        ends = pa.array([clocks.next_at(minute, period, at, zone) for at, zone in pairs], TIMESTAMP)
    return pc.if_else(is_due, pa.scalar(None, TIMESTAMP), ends)


def _earlier(one: pa.Array, other: pa.Array) -> pa.Array:
    """The earlier of two instants; a null is none."""
    return pc.if_else(pc.fill_null(pc.less(other, one), False), other, pc.coalesce(one, other))


@dataclass(frozen=True)
class Hold:
    """A reason to wait: `due` is the instant until which, null when there is none; evidence is what decided."""

    name: str
    reason: str
    due: Callable[[Rows], pa.Array]
    evidence: Callable[[Rows], pa.Array]


def _opens_after(rule: str) -> Callable[[Rows], pa.Array]:
    def opens(rows: Rows) -> pa.Array:
        is_rule = pc.fill_null(pc.equal(rows.column("held_by"), rule), False)
        return pc.if_else(is_rule, rows.column("opens_at"), pa.scalar(None, TIMESTAMP))

    return opens


def _delay_left(rows: Rows) -> pa.Array:
    return pc.if_else(rows.column("is_delayed"), rows.column("delayed_until"), pa.scalar(None, TIMESTAMP))


def _delay_shown(rows: Rows) -> pa.Array:
    """When the delay ends, and by whose clock where that decides."""
    ends, delay = as_text(rows.column("delayed_until")), rows.rule("delay")
    if delay is None or delay["kind"] == "span":
        return ends
    return pc.binary_join_element_wise(ends, rows.column("clock_of"), " by the clock of ")


def time_shown(rows: Rows) -> pa.Array:
    """The local time and the zone it was read in, such as 'Sun 09:30 Europe/Vienna'; null when no rule asks."""
    return rows.column("shown")


def as_text(instants: pa.Array) -> pa.Array:
    """Instants in UTC as '2026-03-01 09:00:00', with microseconds where there are some."""
    if instants.null_count == len(instants):
        return pa.nulls(len(instants), pa.string())
    texts = [None if at is None else str(at.replace(tzinfo=None)) for at in instants.to_pylist()]
    return pa.array(texts, pa.string())


HOLDS: tuple[Hold, ...] = (
    Hold("delay", "held_delay", _delay_left, _delay_shown),
    Hold("quiet_hours_hold", "held_quiet_hours", _opens_after(QUIET), time_shown),
    Hold("send_window_hold", "held_window", _opens_after(WINDOW), time_shown),
)
