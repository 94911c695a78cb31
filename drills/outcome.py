"""What came of one drill, and the comparison that says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from drills.plan import Planned


@dataclass
class Outcome:
    """The numbers of one drill; `faults` says in words what else was wrong."""

    name: str
    kills: int = 0
    planned: int = 0
    seen: int = 0
    duplicates: int = 0
    missing: int = 0
    recovery_s: float | None = None
    recoveries: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.faults and self.planned == self.seen and not self.duplicates and not self.missing

    def settle(self) -> None:
        """The recovery of a drill is the median of its restarts that published something."""
        self.recovery_s = round(median(self.recoveries), 2) if self.recoveries else None


def compare(name: str, planned: Planned, seen: Counter[str]) -> Outcome:
    """Message by message and with their counts, so that a duplicate cannot hide behind a loss."""
    outcome = Outcome(name, planned=planned.messages.total(), seen=seen.total())
    surplus = seen - planned.messages
    outcome.missing = (planned.messages - seen).total()
    outcome.duplicates = surplus.total()
    unplanned = [one for one in surplus if one not in planned.messages]
    if unplanned:
        outcome.faults.append(f"{len(unplanned)} messages were published that the ledger does not plan")
    if planned.doubled:
        outcome.faults.append(f"{planned.doubled} decisions are in the ledger twice")
    if planned.messages.total() != len(planned.messages):
        outcome.faults.append("the ledger plans a message twice")
    if not planned.messages:
        outcome.faults.append("nothing was planned: the drill shows nothing")
    return outcome


def merge(name: str, outcomes: list[Outcome]) -> Outcome:
    """The sum of several trials of one drill."""
    merged = Outcome(name)
    for one in outcomes:
        merged.kills += one.kills
        merged.planned += one.planned
        merged.seen += one.seen
        merged.duplicates += one.duplicates
        merged.missing += one.missing
        merged.recoveries += one.recoveries
        merged.seconds += one.seconds
        merged.faults += [f"{one.name}: {fault}" for fault in one.faults]
    merged.settle()
    return merged
