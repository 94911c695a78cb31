"""The ledger's rows of one unit, through Spark, and where they lie.

Invariant: read at the newest version; `unit_columns` says which rows are a unit's.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest
from pipelines.edges.recorded import unit_columns
from schemas.tables import table

LEDGER = table("ledger")


def day_of(manifest: Manifest) -> dict[str, str]:
    """The partition of the ledger that holds the unit's decisions."""
    return {"decided_date": manifest.decided_at.date().isoformat()}


def unit_rows(lake: DeltaLake, manifest: Manifest, *more: tuple[str, Any]) -> DataFrame:
    """The ledger's rows of one unit, those that have these values too."""
    is_own = [F.col(name) == F.lit(value) for name, value in (*unit_columns(manifest), *more)]
    return lake.read(LEDGER).where(reduce(and_, is_own))
