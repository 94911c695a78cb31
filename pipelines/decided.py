"""The decisions of one unit, where they are: on the driver when they are few, in the ledger when they are many.

Invariant: either way they are the rows of the ledger, and what was counted of them is at hand. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: By what the ledger's rows are counted.
COUNTED = ("stage", "campaign_id", "channel", "decision", "reason", "send_partition")


@dataclass(frozen=True)
class Decided:
    """`rows`: those of the ledger, where the driver holds them; None for many. `customers`: customer_id and the
    snapshot's row of each candidate, where they are at hand. `counts`: how many rows there are of each combination of
    `COUNTED`, as `count`, and their `last` due_at."""

    rows: pa.Table | None
    customers: pa.Table | None
    counts: list[dict[str, Any]]

    @staticmethod
    def few(rows: pa.Table, customers: pa.Table | None = None) -> Decided:
        """Of rows that the driver holds."""
        return Decided(rows, customers, count_few(rows))

    @staticmethod
    def many(counts: list[dict[str, Any]]) -> Decided:
        """Of rows that are in the ledger alone."""
        return Decided(None, None, counts)

    @property
    def is_few(self) -> bool:
        """Whether the driver holds them."""
        return self.rows is not None

    def first(self) -> list[dict[str, Any]]:
        """The counts of the decisions before their corrections, which an earlier attempt may have recorded."""
        return [row for row in self.counts if row["stage"] == "decide"]

    def sent(self) -> pa.Table:
        """Those to be published, of few."""
        return self._decided_as("sent")

    def held(self) -> pa.Table:
        """Those that wait, of few, the first due first: the bounds of what is written then let a release skip it."""
        return self._decided_as("held").sort_by("due_at")

    def _decided_as(self, decision: str) -> pa.Table:
        assert self.rows is not None
        is_first = pc.equal(self.rows["stage"], "decide")
        return self.rows.filter(pc.and_(is_first, pc.equal(self.rows["decision"], decision)))

    def has_held(self) -> bool:
        """Whether any of them waits."""
        return any(row["decision"] == "held" for row in self.counts)

    def placed(self, campaign_ids: Iterable[str]) -> Iterable[tuple[str, int, datetime | None]]:
        """(campaign_id, messages, the last one's turn) of these campaigns' messages that have a place in its delivery
        rate; None when all are sent at once."""
        for campaign_id in campaign_ids:
            own = [
                row
                for row in self.first()
                if row["campaign_id"] == campaign_id
                and (row["decision"] == "sent" or row["reason"] == "held_rate")
            ]
            if own:
                turns = [row["last"] for row in own if row["last"] is not None]
                last = max(turns).astimezone(timezone.utc) if turns else None
                yield campaign_id, sum(row["count"] for row in own), last


def count_few(rows: pa.Table) -> list[dict[str, Any]]:
    """The `counts` of rows of the ledger that the driver holds."""
    grouped = rows.group_by(list(COUNTED)).aggregate([([], "count_all"), ("due_at", "max")])
    return list(grouped.rename_columns({"count_all": "count", "due_at_max": "last"}).to_pylist())


def counted(rows: pa.Table, *by: str) -> list[dict[str, Any]]:
    """How many rows there are of each combination, as `count`."""
    found = rows.select(by).group_by(list(by)).aggregate([([], "count_all")])
    return list(found.rename_columns({"count_all": "count"}).to_pylist())
