"""Delivery rate: what a campaign may not send now gets its turn, some minutes later.

Invariant: of one unit no more messages of a campaign fall into any minute than its rate says. A hold that falls due
keeps its turn, unless so many fell due at once (after a standstill) that they need turns again. What earlier units hold
is told by `rate_free_at`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

GATE, REASON = "rate", "held_rate"


def stage_by_rate(judged: DataFrame) -> DataFrame:
    """Hold, in `reason`, `due_at` and `gates`, the rows that would be sent and are over their campaign's rate. Grain
    unchanged. The turns go by the trigger's time."""
    is_due = F.coalesce("is_due", F.lit(False))
    is_staged = F.col("reason").isNull() & F.col("policy.rate").isNotNull()
    turns = Window.partitionBy("campaign_id", is_due, is_staged).orderBy("occurred_at", "decision_id")
    ranked = judged.select("*", F.when(is_staged, F.row_number().over(turns) - 1).alias("_turn"))
    step = F.element_at(F.filter("policy.rate", lambda one: one["first"] <= F.col("_turn")), -1)
    # What falls due has had its ramp: the last step's rate alone limits it.
    full = F.element_at("policy.rate", -1)["per_minute"].alias("per_minute")
    flat = F.struct(F.lit(0).cast("long").alias("first"), F.lit(0).cast("long").alias("minute"), full)
    stepped = ranked.select(
        "*", F.when(F.col("_turn").isNotNull(), F.when(is_due, flat).otherwise(step)).alias("_step")
    )
    minute = F.col("_step.minute") + F.floor(
        (F.col("_turn") - F.col("_step.first")) / F.col("_step.per_minute")
    )
    start = F.when(is_due, F.col("decided_at")).otherwise(F.greatest("decided_at", "rate_free_at"))
    at = F.timestamp_micros(F.unix_micros(start) + minute * F.lit(60_000_000))
    placed = stepped.select("*", at.alias("_at"))
    is_over = F.coalesce(F.col("_at") > F.col("decided_at"), F.lit(False))
    verdict = F.struct(
        F.lit(GATE).alias("gate"), (~is_over).alias("passed"), _evidence().cast("string").alias("value")
    )
    return placed.withColumns(
        {
            "gates": F.when(is_staged, F.array_append("gates", verdict)).otherwise(F.col("gates")),
            "reason": F.when(is_over, F.lit(REASON)).otherwise(F.col("reason")),
            "due_at": F.when(is_over, F.col("_at")).otherwise(F.col("due_at")),
        }
    ).drop("_turn", "_step", "_at")


def _evidence() -> Column:
    return F.concat(
        F.lit("message "),
        F.col("_turn") + 1,
        F.lit(" of the unit, "),
        F.col("_step.per_minute"),
        F.lit(" a minute"),
    )
