"""The ledger's rows of one unit, and where they lie.

Invariant: read at the newest version; `unit_columns` says which rows are a unit's.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest
from pipelines.edges.recorded import unit_columns
from pipelines.edges.scans import TableScan
from schemas.tables import conformed, table

LEDGER = table("ledger")


def day_of(manifest: Manifest) -> dict[str, str]:
    """The partition of the ledger that holds the unit's decisions."""
    return {"decided_date": manifest.decided_at.date().isoformat()}


def unit_rows(lake: DeltaLake, manifest: Manifest, *more: tuple[str, Any]) -> DataFrame:
    """The ledger's rows of one unit, those that have these values too, as Spark reads them."""
    is_own = [F.col(name) == F.lit(value) for name, value in (*unit_columns(manifest), *more)]
    return lake.read(LEDGER).where(reduce(and_, is_own))


def few_rows(lake: DeltaLake, manifest: Manifest) -> pa.Table:
    """The ledger's rows of a small unit, without Spark."""
    scan = TableScan(lake.settings, LEDGER, LEDGER.column_names, unit_columns(manifest))
    parts, _ = lake.tables.parts(scan)
    rows = conformed(scan.read_all(parts), scan.schema)
    # The day is in the names of the files.
    place, day = rows.column_names.index("decided_date"), scan.schema.field("decided_date")
    return rows.set_column(place, day, pa.repeat(pa.scalar(manifest.decided_at.date(), day.type), len(rows)))
