"""Frequency caps and arbitration: how many messages one customer gets, and which ones when there are too many.

Invariant: candidates of one customer are taken by priority, then by the time of their trigger, then by message id; each
is let through when every one of its caps has room after those that were let through before it. So the highest priority
is never displaced by a lower one, and the outcome does not depend on the order of rows. It reads no table: what was
sent before comes as the column `sent_before`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide import clock as clocks
from pipelines.decide.rows import Rows
from pipelines.decide.verdicts import Verdicts

CAPPED, LOST = "frequency_capped", "lost_to_priority"


@dataclass(frozen=True)
class Message:
    """A message that takes room; `priority` is None for one that was sent before this unit."""

    at: datetime
    campaign_id: str
    category: str | None
    channel: str | None
    message_id: str
    priority: int | None = None


@dataclass(frozen=True)
class Contender:
    """A candidate that nothing else stops; `row` is its place in the unit."""

    row: int
    message: Message
    occurred_at: datetime | None
    decision_id: str
    zone: str
    caps: Sequence[Mapping[str, Any]]

    @property
    def turn(self) -> tuple[Any, ...]:
        """The order in which contenders are let through."""
        rank = -(self.message.priority or 0)
        return rank, self.occurred_at is not None, self.occurred_at, self.message.message_id, self.decision_id


def apply_caps(groups: Sequence[Rows], verdicts: Verdicts) -> None:
    """Add the verdicts of the gates 'frequency_cap' and 'arbitration' about all rows of a unit, which lie in `verdicts`
    in the order of the groups. All rows of a customer must be there. What waits takes nobody's place now."""
    found: dict[int, tuple[str, str]] = {}
    if any(rows.rule("caps") for rows in groups):
        found = _compare(groups, verdicts)
    for gate, reason in (("frequency_cap", CAPPED), ("arbitration", LOST)):
        own = {row: value for row, (why, value) in found.items() if why == reason}
        passed, values = pa.repeat(True, verdicts.count), pa.nulls(verdicts.count, pa.string())
        if own:
            passed = pa.array([row not in own for row in range(verdicts.count)])
            values = pa.array([own.get(row) for row in range(verdicts.count)], pa.string())
        verdicts.add(gate, reason, passed, values)


def _compare(groups: Sequence[Rows], verdicts: Verdicts) -> dict[int, tuple[str, str]]:
    """Reason and words for each row that a cap stops."""
    customers: defaultdict[str, list[tuple[Rows, int, int]]] = defaultdict(list)
    start, is_open = 0, pc.is_null(verdicts.reason)
    for rows in groups:
        own = pc.indices_nonzero(is_open.slice(start, len(rows)))
        names = rows.column("customer_id").take(own)
        for index, name in zip(own.to_pylist(), names.to_pylist(), strict=True):
            customers[name].append((rows, index, start + index))
        start += len(rows)
    found: dict[int, tuple[str, str]] = {}
    for places in customers.values():
        sent = _sent_before(places[0][0], places[0][1])
        # Alone and never written to: a cap lets at least one through.
        if sent or len(places) > 1:
            found.update(_take_turns((_contender(*place) for place in places), sent))
    return found


def _sent_before(rows: Rows, index: int) -> list[Message]:
    before = rows.column("sent_before")
    if before.null_count == len(before):
        return []
    return [Message(**one) for one in before[index].as_py() or ()]


def _contender(rows: Rows, index: int, row: int) -> Contender:
    def value(name: str) -> Any:
        return rows.column(name)[index].as_py()

    message = Message(
        at=rows.clock,
        campaign_id=value("campaign_id"),
        category=rows.rule("category"),
        channel=value("channel"),
        message_id=value("message_id"),
        priority=rows.rule("priority") or 0,
    )
    caps = rows.rule("caps") or ()
    return Contender(row, message, value("occurred_at"), value("decision_id"), value("zone"), caps)


def _take_turns(
    contenders: Iterable[Contender], sent: list[Message]
) -> Iterable[tuple[int, tuple[str, str]]]:
    taken = list(sent)
    for one in sorted(contenders, key=lambda contender: contender.turn):
        stopped = next(filter(None, (_full(cap, one, taken) for cap in one.caps)), None)
        if stopped is None:
            taken.append(one.message)
        else:
            yield one.row, stopped


def _full(cap: Mapping[str, Any], one: Contender, taken: Iterable[Message]) -> tuple[str, str] | None:
    """Reason and words when the cap has no room for it; None when it has, or does not apply."""
    own = one.message
    if cap["channel"] not in (None, own.channel):
        return None
    if cap["counts"] == "category" and cap["category"] != own.category:
        return None
    counted = [message for message in taken if _counts(cap, one, message)]
    if len(counted) < cap["at_most"]:
        return None
    earlier = [message for message in counted if message.priority is None]
    said = f"{words(cap)}: {len(earlier)} sent"
    if len(earlier) >= cap["at_most"]:
        last = max(earlier, key=lambda message: message.at)
        at = last.at.astimezone(clocks.UTC)
        return CAPPED, f"{said}, last {at:%Y-%m-%dT%H:%MZ} by campaign {last.campaign_id}"
    winner = [message for message in counted if message.priority is not None][-1]
    return LOST, f"{said}, lost to campaign {winner.campaign_id} (priority {winner.priority})"


def _counts(cap: Mapping[str, Any], one: Contender, message: Message) -> bool:
    """Whether the message takes room of this cap."""
    # A message that is made up for does not stand in its own way.
    if message.message_id == one.message.message_id or cap["channel"] not in (None, message.channel):
        return False
    if cap["counts"] == "campaign" and message.campaign_id != one.message.campaign_id:
        return False
    if cap["counts"] == "category" and message.category != cap["category"]:
        return False
    if cap["per"] == "span":
        # A period of time excludes its own beginning: a message of exactly 7 days ago has left the 7 days.
        return message.at > one.message.at - timedelta(seconds=cap["seconds"])
    return message.at >= clocks.period_start(cap["per"], one.message.at, one.zone)


def words(cap: Mapping[str, Any]) -> str:
    """The cap in short, such as 'cap 3/7d' or 'cap 1/day sms'."""
    period = _span(cap["seconds"]) if cap["per"] == "span" else cap["per"]
    return f"cap {cap['at_most']}/{period}" + (f" {cap['channel']}" if cap["channel"] else "")


def _span(seconds: int) -> str:
    """7d, 36h, 90min or 45s."""
    for unit, letters in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letters}"
    return f"{seconds}s"
