"""Balanced books: everybody considered was sent to, held, excluded for a reason, or failed for one.

Invariant: the three counts come from three places (candidates from the input, decisions from the ledger, messages
from the publishing tasks), so that a row lost or doubled between them shows. Does not repair anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: (campaign_id, channel); the channel is '' when the decision fell before one was chosen.
Line = tuple[str, str]


@dataclass
class LineCounts:
    """What happened on one line of the books."""

    considered: int = 0
    sent: int = 0
    held: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    published: int = 0

    def add(self, decision: str, reason: str | None, count: int) -> None:
        if decision in ("excluded", "failed"):
            getattr(self, decision)[reason or ""] += count
        else:
            setattr(self, decision, getattr(self, decision) + count)

    def to_dict(self) -> dict[str, Any]:
        return {
            "considered": self.considered,
            "sent": self.sent,
            "held": self.held,
            "excluded": dict(sorted(self.excluded.items())),
            "failed": dict(sorted(self.failed.items())),
            "published": self.published,
        }


class ImbalanceError(Exception):
    """The books of a unit do not balance; the message says which number is off."""


class Books:
    """The books of one unit."""

    def __init__(self) -> None:
        self.lines: dict[Line, LineCounts] = {}

    def line(self, campaign_id: str, channel: str | None) -> LineCounts:
        return self.lines.setdefault((campaign_id, channel or ""), LineCounts())

    def add_considered(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows: campaign_id, channel, count; counted on the candidates, before anything was decided."""
        for row in rows:
            self.line(row["campaign_id"], row["channel"]).considered += row["count"]

    def add_decisions(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of the ledger: stage, campaign_id, channel, decision, reason, count. A row of stage 'render' moves a
        decision from sent to what it says."""
        for row in rows:
            line = self.line(row["campaign_id"], row["channel"])
            line.add(row["decision"], row["reason"], row["count"])
            if row["stage"] == "render":
                line.sent -= row["count"]

    def add_published(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of the tasks' account: campaign_id, channel, messages."""
        for row in rows:
            self.line(row["campaign_id"], row["channel"]).published += row["messages"]

    def check(self, where: str) -> None:
        """Raises `ImbalanceError` naming each number that is off."""
        faults = []
        for (campaign_id, channel), line in sorted(self.lines.items()):
            decided = line.sent + line.held + line.excluded.total() + line.failed.total()
            if line.considered != decided:
                faults.append(f"{campaign_id}/{channel}: considered {line.considered}, decided {decided}")
            if line.sent != line.published:
                faults.append(f"{campaign_id}/{channel}: sent {line.sent}, published {line.published}")
        if faults:
            raise ImbalanceError(
                f"the books of {where} do not balance: {'; '.join(faults)}. Nothing more is published; "
                "keep the ledger and the manifest of this unit, and report it."
            )

    def messages(self, campaign_id: str) -> tuple[int, Counter[str]]:
        """How many messages of a campaign were published, and how many were not for which reason of failure."""
        lines = [line for (name, _), line in self.lines.items() if name == campaign_id]
        failed = sum((line.failed for line in lines), Counter())
        return sum(line.published for line in lines), failed

    def excluded(self, reason: str) -> int:
        """How many were excluded for this reason."""
        return sum(line.excluded[reason] for line in self.lines.values())

    def to_dict(self) -> dict[str, Any]:
        """Campaign → channel → counts."""
        campaigns: dict[str, dict[str, Any]] = {}
        for (campaign_id, channel), line in sorted(self.lines.items()):
            campaigns.setdefault(campaign_id, {})[channel] = line.to_dict()
        return campaigns
