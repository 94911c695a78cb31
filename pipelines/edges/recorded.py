"""What one unit has recorded in the ledger, read without Spark: of the files only the columns that tell are read.

Invariant: read at the newest version, by the same conditions as `pipelines.recording.unit_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from pipelines.decided import COUNTED
from pipelines.edges.manifests import Manifest
from pipelines.edges.tables import Tables, literal
from schemas.tables import table


def count_unit(tables: Tables, unit: int, manifest: Manifest) -> list[dict[str, Any]]:
    """A row per combination of `COUNTED`, with `count` and `last`, the latest `due_at`. 5 million decisions take a
    second."""
    by, recorded = ", ".join(COUNTED), _recorded(unit, manifest)
    return tables.query(
        table("ledger"),
        f"SELECT {by}, count(*) AS count, max(due_at) AS last FROM t WHERE {recorded} GROUP BY {by}",
    )


def held_by_unit(tables: Tables, unit: int, manifest: Manifest, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The unit's decisions to hold, the first due first."""
    return tables.stream(
        table("ledger"),
        f"SELECT {', '.join(columns)} FROM t "
        f"WHERE {_recorded(unit, manifest)} AND stage = 'decide' AND decision = 'held' ORDER BY due_at",
    )


def _recorded(unit: int, manifest: Manifest) -> str:
    clock = manifest.decided_at.isoformat()
    return (
        f"decided_date = DATE '{clock[:10]}' AND pipeline = {literal(manifest.pipeline)} AND unit = {unit} "
        f"""AND decided_at = arrow_cast({literal(clock)}, 'Timestamp(Microsecond, Some("UTC"))')"""
    )
