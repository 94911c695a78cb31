"""Candidates become decisions: one row of the ledger each, sent, held or not, with every gate's verdict.

Invariant: as many decisions leave as candidates came in, and a decision depends on nothing but the candidate, its
customer row in the pinned snapshot, its consents, what is joined to it (`pipelines.decide.inputs`) and the pinned
clock. Does not write and does not render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns import CampaignSpec
from pipelines.decide.choice import with_choice
from pipelines.decide.gates import judge, reachable
from pipelines.decide.inputs import with_joined
from pipelines.decide.rate import stage_by_rate
from pipelines.decide.timing import with_times
from schemas.reasons import codes_of
from schemas.tables import table

LEDGER = table("ledger")

#: Judges rows against each other, after every row has been judged alone: of the rows whose `reason` is null it may give
#: some a reason, and appends its verdicts to their `gates`. Grain unchanged.
Stage = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Comparisons:
    """Which rows a unit must compare with each other; each comparison is a shuffle of all candidates."""

    channel_choice: bool = True
    rate: bool = True

    @staticmethod
    def asked_by(campaigns: Iterable[CampaignSpec]) -> Comparisons:
        """Those that at least one of the campaigns asks for."""
        known = list(campaigns)
        return Comparisons(
            channel_choice=any(c.channel_choice != "all" and len(c.channels) > 1 for c in known),
            rate=any(c.rate is not None for c in known),
        )


def decide(
    candidates: DataFrame,
    clock: Column,
    pipeline: str,
    unit: int,
    audience_version: int,
    stages: Iterable[Stage] = (),
    comparisons: Comparisons | None = None,
) -> DataFrame:
    """Run all gates, then the holds, then `stages` (caps, arbitration), then the delivery rate. `candidates` carries
    `customer` (struct, null when unknown), `granted` (boolean, null when never recorded), `is_repeated` (the same
    message was decided before, see `pipelines.repeats`), and what `pipelines.decide.inputs` names. A row that waits is
    not sent by this unit: the stages count it only when it falls due.

    Grain of the result: one row per decision_id, in the columns of the ledger, stage 'decide'.
    """
    compared = comparisons or Comparisons()
    timed = with_times(with_joined(candidates).select("*", clock.alias("decided_at")))
    judged = judge(with_choice(timed, reachable(), compared.channel_choice))
    for stage in stages:
        judged = stage(judged)
    staged = stage_by_rate(judged) if compared.rate else judged
    return _to_ledger(staged, pipeline, unit, audience_version)


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


def _decision() -> Column:
    reason = F.col("reason")
    return (
        F.when(reason.isNull(), F.lit("sent"))
        .when(reason.isin(*codes_of("held")), F.lit("held"))
        .otherwise(F.lit("excluded"))
    )


def _to_ledger(judged: DataFrame, pipeline: str, unit: int, audience_version: int) -> DataFrame:
    made = {
        "stage": F.lit("decide"),
        "pipeline": F.lit(pipeline),
        "unit": F.lit(unit).cast("long"),
        "decision": _decision(),
        "detail": F.lit(None).cast("string"),
        "locale": F.col("customer.locale"),
        "audience_version": F.lit(audience_version).cast("long"),
        "decided_date": F.to_date("decided_at"),
        "priority": F.col("policy.priority"),
        "category": F.col("policy.category"),
    }
    columns = []
    for field in LEDGER.schema().fields:
        column = made.get(field.name, F.col(field.name))
        columns.append(column.cast(field.dataType).alias(field.name))
    return judged.select(*columns)
