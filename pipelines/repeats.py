"""Which candidates repeat a message that was decided before, in this epoch or in an earlier one.

Invariant: of all candidates that share a `message_id`, over all time, exactly one is not repeated: the first by
(epoch, origin). The ledger is the memory; it does not expire.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def mark_repeats(candidates: DataFrame, ledger: DataFrame) -> DataFrame:
    """Add `is_repeated`. Grain unchanged: one row per decision_id. `ledger` is read at the version pinned for this
    unit, so that a replay does not meet its own rows. The candidates come from triggers and events; a run cannot repeat
    them, because its id is part of the message id."""
    ids = candidates.select("message_id")
    # distinct: message_id is unique in `seen`.
    # The files of runs hold nothing else, so their statistics let Delta leave out a million rows at a time.
    asked = ledger.where(F.col("source").isin("trigger", "event"))
    seen = (
        asked.select("message_id")
        .join(F.broadcast(ids), on="message_id", how="left_semi")
        .distinct()
        .withColumn("is_seen", F.lit(True))
    )
    first = Window.partitionBy("message_id").orderBy("origin")
    joined = candidates.join(F.broadcast(seen), on="message_id", how="left")
    repeated = F.coalesce(F.col("is_seen"), F.lit(False)) | (F.row_number().over(first) > 1)
    if "hold_id" in candidates.columns:
        # A hold is the message that was seen, not another one like it.
        repeated &= F.col("hold_id").isNull()
    return joined.withColumn("is_repeated", repeated).drop("is_seen")
