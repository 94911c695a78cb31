"""The holds of a stream that have fallen due, asked of the table without Spark: a look each second may not cost one.

Invariant: a hold is open while no row says that it is closed. What is selected is a function of the table's version and
of what is asked, so that a release which is started again works on the same holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from pipelines.edges.sql import literal, timestamp
from pipelines.edges.tables import Tables
from pipelines.holds import HOLDS, Paused
from pipelines.runs import RUNS
from schemas.tables import conformed

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: A row that closes a hold has its due time too: what is skipped of the one is skipped of the other.
_OPEN = """
SELECT {columns} FROM t AS o WHERE o.state = 'open' AND {opened} AND NOT EXISTS
  (SELECT 1 FROM t AS c WHERE c.state = 'closed' AND {closed} AND c.due_date = o.due_date AND c.hold_id = o.hold_id)
"""
#: The channels of one message have the same place: they are decided in one unit, since a campaign may choose between
#: them.
_ORDER = (
    "priority DESC NULLS LAST, due_at NULLS FIRST, campaign_id NULLS FIRST, source NULLS FIRST, source_id NULLS FIRST, "
    "customer_id NULLS FIRST"
)


class Look(NamedTuple):
    """What a look at the holds has found: when the first one that is not kept back is due, and whether any is."""

    first: datetime | None
    is_any_kept_back: bool


@dataclass(frozen=True)
class DueHolds:
    """The holds that `owner`, a pipeline, decides about anew."""

    tables: Tables
    owner: str

    def look(self, version: int, until: datetime, paused: Paused) -> Look:
        """At those that are due until then. Raises `ServerError` when S3 does not answer."""
        waits = f"SELECT due_at, {_is_kept_back(paused)} AS waits FROM ({self._open(version, until)})"
        (row,) = self.tables.query(
            HOLDS,
            "SELECT min(CASE WHEN NOT waits THEN due_at END) AS first, "
            f"max(CASE WHEN waits THEN 1 ELSE 0 END) AS kept_back FROM ({waits})",
            version,
        )
        return Look(row["first"], bool(row["kept_back"]))

    def select(
        self, version: int, clock: datetime, most: int, paused: Paused, urgent: Sequence[str]
    ) -> pa.Table:
        """What a release works on: the due holds that are not paused, at most so many customers' messages, those of the
        `urgent` campaigns first, then by priority, then the oldest; all channels of a message together. In the columns
        of the table; `run` is that of the run behind a hold."""
        first = f"CASE WHEN {_is_in('campaign_id', urgent)} THEN 0 ELSE 1 END, " if urgent else ""
        places = (
            f"SELECT *, dense_rank() OVER (ORDER BY {first}{_ORDER}) AS place FROM ({self._open(version, clock)}) "
            f"WHERE NOT {_is_kept_back(paused)}"
        )
        found = self.tables.stream(HOLDS, f"SELECT * FROM ({places}) WHERE place <= {most}", version)
        schema = HOLDS.read_schema(HOLDS.column_names)
        return pa.concat_tables([schema.empty_table(), *(conformed(rows, schema) for rows in found)])

    def _open(self, version: int, until: datetime) -> str:
        there = self.tables.column_names(HOLDS, version)
        columns = [
            f"o.{name}" if name in there else f"CAST(NULL AS VARCHAR) AS {name}"
            for name in HOLDS.column_names
            if name != "run"
        ]
        opened, closed = (
            f"{rows}.owner = {literal(self.owner)} AND {rows}.due_date <= DATE '{until.date().isoformat()}' "
            f"AND {rows}.due_at <= {timestamp(until)}"
            for rows in ("o", "c")
        )
        every = ", ".join([*columns, f"{run_of_hold('run' in there)} AS run"])
        return _OPEN.format(columns=every, opened=opened, closed=closed)


def run_of_hold(is_there: bool) -> str:
    """The pipeline of the run behind a hold of the rows `o`, null for a trigger's. An older row names the first run
    alone, also where another one made up for it; an older table (`is_there` false) has no such column."""
    first = f"{literal(RUNS)} || o.campaign_id || '-' || o.source_id"
    return f"CASE WHEN o.source = 'run' THEN {f'coalesce(o.run, {first})' if is_there else first} END"


def _is_kept_back(paused: Paused) -> str:
    """Whether a hold is of a run that is paused, by itself or with its campaign."""
    said = [_is_in("run", paused.runs)] if paused.runs else []
    for campaign_id, version in paused.campaigns.items():
        of_campaign = f"source = 'run' AND campaign_id = {literal(campaign_id)}"
        said.append(
            of_campaign if version is None else f"{of_campaign} AND campaign_version = {literal(version)}"
        )
    waits = " OR ".join(f"({one})" for one in said) or "false"
    return f"coalesce({waits}, false)"


def _is_in(column: str, values: Sequence[str]) -> str:
    return f"coalesce({column} IN ({', '.join(map(literal, values))}), false)"


def forget_closed(found: DeltaTable, until: date) -> None:
    """Delete the holds that are closed and were due before that day, with the word that they are."""
    past = [("due_date", "<", until), ("state", "=", "closed")]
    closed = found.to_pyarrow_table(filters=past, columns=["hold_id"])
    if closed.num_rows:
        same = f"t.due_date < DATE '{until.isoformat()}' AND t.hold_id = k.hold_id"
        merging = found.merge(closed, same, source_alias="k", target_alias="t")
        merging.when_matched_delete().execute()
