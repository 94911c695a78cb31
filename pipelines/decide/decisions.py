"""Candidates become decisions: one row of the ledger each, sent or not, with every gate's verdict.

Invariant: as many decisions leave as candidates came in, and a decision depends on nothing but the candidate, its
customer row in the pinned snapshot, its consents and the pinned clock. Does not write and does not render.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.decide.gates import first_reason, verdicts
from schemas.tables import table

LEDGER = table("ledger")


def decide(
    candidates: DataFrame, clock: Column, pipeline: str, unit: int, audience_version: int
) -> DataFrame:
    """Run all gates. `candidates` carries `customer` (struct, null when unknown), `granted` (boolean, null when never
    recorded) and `is_repeated` (the same message was decided before, see `pipelines.repeats`).

    Grain of the result: one row per decision_id, in the columns of the ledger, stage 'decide'.
    """
    timed = candidates.select("*", clock.alias("decided_at"))
    judged = timed.select("*", first_reason().alias("reason"), verdicts().alias("gates"))
    return _to_ledger(judged, pipeline, unit, audience_version)


def render_failures(decisions: DataFrame, failures: DataFrame) -> DataFrame:
    """The second ledger row of those whose rendering failed: the decision that counts from then on.

    `failures`: one row per message_id with `outcome` ('failed' or 'excluded'), `reason`, `detail`. Grain of the
    result: one row per decision_id, stage 'render'. message_id is unique among the sent decisions of a unit.
    """
    corrected = decisions.drop("decision", "reason", "detail", "stage").join(
        failures, on="message_id", how="inner"
    )
    rows = corrected.withColumn("decision", F.col("outcome")).withColumn("stage", F.lit("render"))
    return rows.select(*[field.name for field in LEDGER.schema().fields])


def _to_ledger(judged: DataFrame, pipeline: str, unit: int, audience_version: int) -> DataFrame:
    made = {
        "stage": F.lit("decide"),
        "pipeline": F.lit(pipeline),
        "unit": F.lit(unit).cast("long"),
        "decision": F.when(F.col("reason").isNull(), F.lit("sent")).otherwise(F.lit("excluded")),
        "detail": F.lit(None).cast("string"),
        "locale": F.col("customer.locale"),
        "audience_version": F.lit(audience_version).cast("long"),
        "decided_date": F.to_date("decided_at"),
    }
    columns = []
    for field in LEDGER.schema().fields:
        column = made.get(field.name, F.col(field.name))
        columns.append(column.cast(field.dataType).alias(field.name))
    return judged.select(*columns)
