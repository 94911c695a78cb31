"""The decisions of one unit, where they are: on the driver when they are few, in the ledger when they are many.

Invariant: either way they are the rows of the ledger, so whoever counts, holds or publishes need not know which. It
writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

Rows: TypeAlias = pa.Table | DataFrame
#: By what the books count the ledger's rows.
BOOKED = ("stage", "campaign_id", "channel", "decision", "reason")


@dataclass(frozen=True)
class Decided:
    """`rows`: those of the ledger. `customers`: customer_id and the snapshot's row of each candidate, where they are at
    hand."""

    rows: Rows
    customers: pa.Table | None = None

    @property
    def is_few(self) -> bool:
        """Whether the driver holds them."""
        return isinstance(self.rows, pa.Table)

    def frame(self, spark: SparkSession) -> DataFrame:
        """The rows as a frame."""
        return spark.createDataFrame(self.rows) if isinstance(self.rows, pa.Table) else self.rows

    def first(self) -> Rows:
        """The decisions before their corrections, which an earlier attempt may have recorded."""
        if isinstance(self.rows, DataFrame):
            return self.rows.where(F.col("stage") == "decide")
        return self.rows.filter(pc.equal(self.rows["stage"], "decide"))

    def sent(self) -> Rows:
        """Those to be published."""
        rows = self.first()
        if isinstance(rows, DataFrame):
            return rows.where(F.col("decision") == "sent")
        return rows.filter(_is_sent(rows))

    def has_held(self) -> bool:
        """Whether any of them waits."""
        if isinstance(self.rows, DataFrame):
            return not self.rows.where(F.col("decision") == "held").isEmpty()
        return bool(pc.any(pc.equal(self.rows["decision"], "held")).as_py())

    def placed(self, campaign_ids: list[str]) -> Iterable[tuple[str, int, datetime | None]]:
        """(campaign_id, messages, the last one's turn) of these campaigns' messages that have a place in its delivery
        rate; None when all are sent at once."""
        rows = self.first()
        if isinstance(rows, DataFrame):
            is_placed = (F.col("decision") == "sent") | (F.col("reason") == "held_rate")
            grouped = rows.where(is_placed & F.col("campaign_id").isin(*campaign_ids)).groupBy("campaign_id")
            counts = grouped.agg(F.count("*").alias("messages"), F.max("due_at").alias("last")).toArrow()
        else:
            held = pc.fill_null(pc.equal(rows["reason"], "held_rate"), False)
            is_asked = pc.is_in(rows["campaign_id"], value_set=pa.array(campaign_ids))
            found = rows.filter(pc.and_(pc.or_(_is_sent(rows), held), is_asked)).group_by("campaign_id")
            counts = found.aggregate([([], "count_all"), ("due_at", "max")])
        for campaign_id, messages, last in zip(
            *(column.to_pylist() for column in counts.columns), strict=True
        ):
            yield campaign_id, messages, last and last.astimezone(timezone.utc)


def _is_sent(rows: pa.Table) -> pa.Array:
    return pc.equal(rows["decision"], "sent")


def counted(rows: Rows, *by: str) -> list[dict[str, Any]]:
    """How many rows there are of each combination, as `count`."""
    if isinstance(rows, DataFrame):
        return [row.asDict() for row in rows.groupBy(*by).count().collect()]
    found = rows.select(by).group_by(list(by)).aggregate([([], "count_all")])
    return list(found.rename_columns({"count_all": "count"}).to_pylist())
