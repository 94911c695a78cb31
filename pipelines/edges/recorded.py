"""What one unit has recorded in the ledger, read without Spark: of the files only the columns that tell are read.

Invariant: read at the newest version, `unit_columns` says which rows are a unit's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decided import COUNTED
from pipelines.edges.manifests import Manifest
from pipelines.edges.sql import literal, timestamp
from pipelines.edges.tables import Tables
from schemas.tables import table


def count_unit(tables: Tables, manifest: Manifest) -> list[dict[str, Any]]:
    """A row per combination of `COUNTED`, with `count` and `last`, the latest `due_at`. 5 million decisions take a
    second."""
    by, recorded = ", ".join(COUNTED), _recorded(manifest)
    return tables.query(
        table("ledger"),
        f"SELECT {by}, count(*) AS count, max(due_at) AS last FROM t WHERE {recorded} GROUP BY {by}",
    )


def is_recorded(tables: Tables, manifest: Manifest) -> bool:
    """Whether the ledger has any row of the unit."""
    return bool(tables.query(table("ledger"), f"SELECT 1 AS one FROM t WHERE {_recorded(manifest)} LIMIT 1"))


def held_by_unit(tables: Tables, manifest: Manifest, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The unit's decisions to hold, the first due first."""
    return tables.stream(
        table("ledger"),
        f"SELECT {', '.join(columns)} FROM t "
        f"WHERE {_recorded(manifest)} AND stage = 'decide' AND decision = 'held' ORDER BY due_at",
    )


#: Of these, what its decisions to send have in common.
SENT = (("stage", "decide"), ("decision", "sent"))
#: Of what was decided about a message, all but that its trigger came again: that is no news of one that waits.
_REPEATED = "duplicate_trigger"
IS_NEWS = f"(reason IS NULL OR reason <> {literal(_REPEATED)})"
NEWS = pc.field("reason").is_null() | (pc.field("reason") != _REPEATED)


def unit_columns(manifest: Manifest) -> tuple[tuple[str, Any], ...]:
    """What the ledger's rows of one unit have in common: column and value. The clock tells the unit from that of the
    same number in another incarnation; the date lets Delta skip all other days."""
    at = manifest.decided_at
    return (
        ("decided_date", at.date()),
        ("pipeline", manifest.pipeline),
        ("unit", manifest.unit),
        ("decided_at", at),
    )


def _recorded(manifest: Manifest) -> str:
    clock = manifest.decided_at
    return (
        f"decided_date = DATE '{clock.date().isoformat()}' AND pipeline = {literal(manifest.pipeline)} "
        f"AND unit = {manifest.unit} AND decided_at = {timestamp(clock)}"
    )
