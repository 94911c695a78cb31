"""Corrections of the ledger: what became of decisions to send whose messages did not render.

Invariant: a correction repeats the decision that it corrects but for how it ended; nothing is taken back. Decides
nothing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from schemas.tables import table


def render_failures(decisions: DataFrame, failures: DataFrame) -> DataFrame:
    """The second ledger row of those whose rendering failed: the decision that counts from then on.

    `failures`: one row per message_id with `outcome` ('failed' or 'excluded'), `reason`, `detail`. Grain of the
    result: one row per decision_id, stage 'render'. message_id is unique among the sent decisions of a unit.
    """
    corrected = decisions.drop("decision", "reason", "detail", "stage").join(
        failures, on="message_id", how="inner"
    )
    rows = corrected.withColumn("decision", F.col("outcome")).withColumn("stage", F.lit("render"))
    return rows.select(*table("ledger").column_names)
