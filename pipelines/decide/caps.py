"""Frequency caps and arbitration: how many messages one customer gets, and which ones when there are too many.

Invariant: candidates of one customer are taken by priority, then by the time of their trigger, then by message id; each
is let through when every one of its caps has room after those that were let through before it. So the highest priority
is never displaced by a lower one, and the outcome does not depend on the order of rows. What something else has stopped
is asked last and takes no room: the record has the verdict for everybody. It reads no table: what was sent before comes
as the column `sent_before`.

Everybody's first candidate is judged at once, then everybody's second: as many rounds as one customer has candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide import clock as clocks
from pipelines.decide.rows import Rows, whole_array
from pipelines.decide.timing import TIMESTAMP
from pipelines.decide.verdicts import Verdicts
from pipelines.decide.wording import cap_in_words

Flags: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.int64]
#: What stops rows: reason and words by row.
Stopped: TypeAlias = dict[int, tuple[str, str]]

CAPPED, LOST = "frequency_capped", "lost_to_priority"

#: What is looked at of a contender.
_ASKED = (
    "customer_id", "campaign_id", "channel", "message_id", "decision_id", "occurred_at", "zone", "clock_of",
    "sent_before",
)  # fmt: skip
#: What caps compare messages by.
_NAMES = ("customer_id", "campaign_id", "category", "channel", "message_id")


def apply_caps(groups: Sequence[Rows], verdicts: Verdicts) -> None:
    """Add the verdicts of the gates 'frequency_cap' and 'arbitration' about all rows of a unit, which lie in `verdicts`
    in the order of the groups. All rows of a customer must be there. What waits takes nobody's place now."""
    found: Stopped = {}
    if any(rows.rule("caps") for rows in groups):
        contenders = _contenders(groups, verdicts)
        if len(contenders.rows):
            found = _take_turns(contenders, groups)
    for gate, reason in (("frequency_cap", CAPPED), ("arbitration", LOST)):
        own = [(row, value) for row, (why, value) in found.items() if why == reason]
        passed, values = np.ones(verdicts.count, bool), np.full(verdicts.count, None, object)
        if own:
            rows, words = zip(*own, strict=True)
            passed[list(rows)], values[list(rows)] = False, words
        verdicts.add(gate, reason, pa.array(passed), pa.array(values, pa.string()))


@dataclass(frozen=True)
class _Messages:
    """Messages that take room, or may: what was sent before the unit, then the contenders in their own order. Names are
    numbers, equal for equal names; -1 equals none."""

    named: Mapping[str, Numbers]
    dictionaries: Mapping[str, pa.Array]
    at: Numbers  # microseconds
    priority: Numbers
    #: How many of them were sent before.
    sent: int
    is_taken: Flags

    def code(self, name: str, value: str | None) -> int:
        """The number of a name."""
        return int(pc.index(self.dictionaries[name], pa.scalar(value, pa.string())).as_py())

    def texts(self, name: str, indices: Numbers) -> list[Any]:
        """The names of these messages."""
        return list(self.dictionaries[name].take(pa.array(self.named[name][indices])).to_pylist())


@dataclass(frozen=True)
class _Contenders:
    """The candidates, each customer's in the order of their turns: first those that nothing else stops."""

    rows: Numbers  # where they are in the unit
    are_open: Flags  # whether nothing else stops them
    groups: Numbers
    rounds: Numbers  # 0 for a customer's first
    zones: pa.Array
    clocks_of: pa.Array  # the zones in words
    messages: _Messages


def _contenders(groups: Sequence[Rows], verdicts: Verdicts) -> _Contenders:
    start, is_open, parts = 0, pc.is_null(verdicts.reason), []
    for number, rows in enumerate(groups):
        # A customer whom nobody knows has no zone, and no past.
        own = pc.indices_nonzero(
            pc.and_(pc.is_valid(rows.column("customer_id")), pc.is_valid(rows.column("zone")))
        )
        columns = {name: rows.column(name).take(own) for name in _ASKED}
        columns["category"] = pa.repeat(pa.scalar(rows.rule("category"), pa.string()), len(own))
        columns["rank"] = pa.repeat(-(rows.rule("priority") or 0), len(own))
        columns["row"] = pc.add(own.cast(pa.int64()), start)
        columns["is_closed"] = pc.invert(is_open.slice(start, len(rows)).take(own))
        columns["group"] = pa.repeat(number, len(own))
        columns["at"] = pa.repeat(pa.scalar(rows.clock, TIMESTAMP), len(own))
        parts.append(pa.table(columns))
        start += len(rows)
    whole = pa.concat_tables(parts)
    keys = ("customer_id", "is_closed", "rank", "occurred_at", "message_id", "decision_id")
    order = [(key, "ascending", "at_start") for key in keys]
    table = whole.take(pc.sort_indices(whole.select(keys), order)).combine_chunks()
    ids = pc.dictionary_encode(whole_array(table["customer_id"])).indices.to_numpy()
    is_first = np.ones(len(ids), bool)
    is_first[1:] = ids[1:] != ids[:-1]
    firsts = np.flatnonzero(is_first)
    rounds = np.arange(len(ids)) - np.repeat(firsts, np.diff(np.append(firsts, len(ids))))
    rows_, groups_ = (table[name].to_numpy() for name in ("row", "group"))
    messages = _messages(table, table.filter(pa.array(is_first)))
    are_open = ~table["is_closed"].to_numpy()
    zones, clocks_of = (whole_array(table[name]) for name in ("zone", "clock_of"))
    return _Contenders(rows_, are_open, groups_, rounds, zones, clocks_of, messages)


def _messages(table: pa.Table, firsts: pa.Table) -> _Messages:
    """The messages that were sent to these customers (`firsts` has each of them once), and the contenders'."""
    lists = whole_array(firsts["sent_before"])
    flat = lists.flatten()
    sent = {name: pc.struct_field(flat, name) for name in (*_NAMES[1:], "at")}
    sent["customer_id"] = whole_array(firsts["customer_id"]).take(pc.list_parent_indices(lists))
    named, dictionaries = {}, {}
    for name in _NAMES:
        both = pa.concat_arrays([sent[name].cast(pa.string()), whole_array(table[name])])
        encoded = pc.dictionary_encode(both, null_encoding="encode")
        named[name], dictionaries[name] = encoded.indices.to_numpy().astype(np.int64), encoded.dictionary
    times = [sent["at"].cast(TIMESTAMP), whole_array(table["at"])]
    at = pa.concat_arrays(times).cast(pa.int64()).to_numpy(zero_copy_only=False)
    priority = np.concatenate([np.zeros(len(flat), np.int64), -table["rank"].to_numpy()])
    is_taken = np.arange(len(at)) < len(flat)
    return _Messages(named, dictionaries, at, priority, len(flat), is_taken)


def _take_turns(contenders: _Contenders, groups: Sequence[Rows]) -> Stopped:
    """Whom a cap stops, round after round."""
    found: Stopped = {}
    messages = contenders.messages
    for turn in range(int(contenders.rounds.max()) + 1):
        for number in np.unique(contenders.groups[contenders.rounds == turn]).tolist():
            own = np.flatnonzero((contenders.rounds == turn) & (contenders.groups == number))
            room = _Room(contenders, own)
            for cap in groups[number].rule("caps") or ():
                room.ask(cap, groups[number].clock)
            takes = own[~room.is_stopped & contenders.are_open[own]]
            messages.is_taken[messages.sent + takes] = True
            found.update(room.found)
    return found


@dataclass
class _Room:
    """The contenders `own`, of as many customers, against all that their customers have taken so far."""

    contenders: _Contenders
    own: Numbers
    is_stopped: Flags = field(init=False)
    found: Stopped = field(default_factory=dict)

    def __post_init__(self) -> None:
        messages = self.contenders.messages
        customers = messages.named["customer_id"]
        place = np.full(len(messages.dictionaries["customer_id"]), -1)
        place[customers[messages.sent + self.own]] = np.arange(len(self.own))
        self._taken = np.flatnonzero(messages.is_taken & (place[customers] >= 0))
        self._whose = place[customers[self._taken]]
        self.is_stopped = np.zeros(len(self.own), bool)

    def ask(self, cap: Mapping[str, Any], clock: datetime) -> None:
        """Stop those for whom this cap has no room, and say so; the first cap that stops one is told."""
        counts = self._counts(cap, clock)
        counted, whose = self._taken[counts], self._whose[counts]
        is_full = np.bincount(whose, minlength=len(self.own)) >= cap["at_most"]
        # A cap of one channel, or of one category, is no concern of the others.
        if cap["channel"] is not None:
            is_full &= self._own("channel") == self.contenders.messages.code("channel", cap["channel"])
        if cap["counts"] == "category":
            is_full &= self._own("category") == self.contenders.messages.code("category", cap["category"])
        stopped = is_full & ~self.is_stopped
        if stopped.any():
            self.is_stopped |= stopped
            is_told = stopped[whose]
            self._tell(cap, counted[is_told], whose[is_told])

    def _own(self, name: str) -> Numbers:
        messages = self.contenders.messages
        return messages.named[name][messages.sent + self.own]

    def _counts(self, cap: Mapping[str, Any], clock: datetime) -> Flags:
        """Which of the messages taken take room of this cap, of their customer's contender."""
        messages, taken, whose = self.contenders.messages, self._taken, self._whose
        # A message that is made up for does not stand in its own way.
        counts: Flags = messages.named["message_id"][taken] != self._own("message_id")[whose]
        if cap["channel"] is not None:
            counts &= messages.named["channel"][taken] == messages.code("channel", cap["channel"])
        if cap["counts"] == "campaign":
            counts &= messages.named["campaign_id"][taken] == self._own("campaign_id")[whose]
        elif cap["counts"] == "category":
            counts &= messages.named["category"][taken] == messages.code("category", cap["category"])
        if cap["per"] == "span":
            # A period of time excludes its own beginning: a message of exactly 7 days ago has left the 7 days.
            is_recent: Flags = messages.at[taken] > _micros(clock) - cap["seconds"] * 1_000_000
            return counts & is_recent
        zones = pc.dictionary_encode(self.contenders.zones.take(pa.array(self.own)))
        starts = [
            _micros(clocks.period_start(cap["per"], clock, zone)) for zone in zones.dictionary.to_pylist()
        ]
        is_recent = messages.at[taken] >= np.array(starts)[zones.indices.to_numpy()[whose]]
        return counts & is_recent

    def _tell(self, cap: Mapping[str, Any], counted: Numbers, whose: Numbers) -> None:
        """Reason and words for those that the cap stops, all of whose messages that count are given."""
        messages = self.contenders.messages
        is_earlier = counted < messages.sent
        numbers = np.bincount(whose[is_earlier], minlength=len(self.own))
        is_capped = numbers >= cap["at_most"]
        # Told is the last one: by time of what was sent before, of equal times the first; by turn of this unit.
        by_time = np.lexsort((-counted, messages.at[counted], is_earlier, whose))
        deciding = np.full(len(self.own), -1)
        deciding[whose] = counted
        deciding[whose[by_time]] = np.where(
            is_capped[whose[by_time]], counted[by_time], deciding[whose[by_time]]
        )
        stopped = np.flatnonzero(deciding >= 0)
        ones = deciding[stopped]
        facts = zip(
            self.contenders.rows[self.own[stopped]].tolist(),
            is_capped[stopped].tolist(),
            numbers[stopped].tolist(),
            messages.texts("campaign_id", ones),
            np.datetime_as_string(messages.at[ones].astype("datetime64[us]"), unit="m").tolist(),
            messages.priority[ones].tolist(),
            self.contenders.clocks_of.take(pa.array(self.own[stopped])).to_pylist(),
            strict=True,
        )
        for row, by_earlier, number, campaign, minute, priority, clock_of in facts:
            said = cap_in_words(cap, clock_of)
            if by_earlier:
                self.found[row] = CAPPED, f"{said}: {number} sent, last {minute}Z by campaign {campaign}"
            else:
                lost = f"lost to campaign {campaign} (priority {priority})"
                self.found[row] = LOST, f"{said}: {number} sent, {lost}"


def _micros(instant: datetime) -> int:
    return int(pa.scalar(instant, TIMESTAMP).value)
