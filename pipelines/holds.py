"""Holds as rows: a held decision becomes one, an open one becomes a candidate again, a decided one is closed.

Invariant: a hold is made from its row of the ledger and closed by the unit that decided about it anew, so that a unit
which is started again makes the same rows. The message keeps its id through all its decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.decide.rate import REASON as RATE_REASON
from pipelines.decide.rate import TURN_LASTS
from pipelines.runs import run_pipeline
from schemas.tables import table

HOLDS = table("holds")


class Paused(NamedTuple):
    """The pipelines of runs that are paused, and the campaigns that are, with the version that is; None: all of them.
    What their runs hold waits on, however long it is due; triggers of a paused campaign are excluded."""

    runs: Sequence[str] = ()
    campaigns: Mapping[str, str | None] = MappingProxyType({})


class Ending(NamedTuple):
    """Whose waiting messages may be ended: all those of the `erased` customers, and those of the `cancelling` ones by
    these `campaigns`."""

    erased: Collection[str]
    cancelling: Collection[str]
    campaigns: Collection[str]


#: What a hold keeps of its decision.
OPENED_FROM = (
    "decision_id",
    "decided_at",
    *(name for name in HOLDS.column_names if name in table("ledger").column_names),
)


def open_rows(held: pa.Table, owner: str) -> pa.Table:
    """The holds of decisions to hold, given as rows of the ledger with `OPENED_FROM`. Grain: one row per hold."""
    made = {
        "hold_id": held["decision_id"],
        "owner": owner,
        "state": "open",
        "due_date": held["due_at"].cast(pa.date32()),
        "held_at": held["decided_at"],
    }
    return _rows(held, made, OPENED_FROM)


def closed_rows(candidates: pa.Table, owner: str) -> pa.Table:
    """The word that the holds behind these candidates were decided anew. Grain: one row per hold."""
    known = candidates.filter(pc.is_valid(candidates["hold_id"]))
    due = known["hold_due_at"]
    made = {"state": "closed", "owner": owner, "due_at": due, "due_date": due.cast(pa.date32())}
    return _rows(known, made, ("hold_id",))


def _rows(given: pa.Table, made: Mapping[str, Any], kept: Sequence[str]) -> pa.Table:
    columns = []
    for field in HOLDS.arrow_schema():
        value = made.get(field.name, given[field.name] if field.name in kept else None)
        is_column = isinstance(value, pa.ChunkedArray)
        columns.append(
            value.cast(field.type) if is_column else pa.repeat(pa.scalar(value, field.type), len(given))
        )
    return pa.table(columns, schema=HOLDS.arrow_schema())


def run_of_hold() -> Column:
    """The pipeline of the run behind a hold, null for a trigger's. An older row names the first run alone, also where
    another one made up for it."""
    first = F.format_string(run_pipeline("%s", "%s"), "campaign_id", "source_id")
    return F.when(F.col("source") == "run", F.coalesce("run", first))


def match_holds(
    holds: DataFrame,
    campaigns: DataFrame,
    released_at: datetime | None,
    of_runs: DataFrame | None = None,
) -> DataFrame:
    """Holds with the campaign as it is now; a campaign that is gone counts as unknown. Grain: one row per hold.
    `campaigns` as `campaigns_frame` makes it, one version of each. `of_runs`, likewise: the versions that runs began
    with, which is what their holds are sent in. `released_at` None: they are not due, but something ends their wait.
    The result is what `identify_candidates` takes."""
    known = campaigns.withColumn("of_run", F.lit(None).cast("string"))
    version = F.lit(None).cast("string")
    if of_runs is not None:
        known = known.unionByName(of_runs.withColumn("of_run", F.col("campaign_version")))
        # Rows of older versions do not say it.
        version = F.when(F.col("source") == "run", F.col("campaign_version"))
    known = known.drop("kind", "channels").withColumnRenamed("campaign_id", "of_campaign")
    held = holds.withColumn("of_version", version).drop("campaign_version")
    is_same = (F.col("campaign_id") == F.col("of_campaign")) & F.col("of_version").eqNullSafe(F.col("of_run"))
    matched = held.join(F.broadcast(known), on=is_same, how="left")
    return matched.select(
        "source",
        "source_id",
        "campaign_id",
        "campaign_version",
        "campaign_status",
        "consent_topic",
        "channel",
        "customer_id",
        "occurred_at",
        "expires_at",
        "data",
        _origin().alias("origin"),
        "policy",
        F.lit(released_at is not None).alias("is_due"),
        _has_turn(released_at).alias("has_turn"),
        "hold_id",
        "held_at",
        F.col("due_at").alias("hold_due_at"),
        run_of_hold().alias("run"),
    )


def _has_turn(released_at: datetime | None) -> Column:
    """Whether a hold has waited for its place in the delivery rate, and is released in time to take it."""
    if released_at is None:
        return F.lit(False)
    # Of older versions nobody knows why they wait: most by their delivery rate, as there are most of these.
    is_rated = F.coalesce(F.col("reason") == RATE_REASON, F.lit(True))
    return is_rated & (F.col("due_at") >= F.lit(released_at - TURN_LASTS))


def _origin() -> Column:
    """The same for all channels of a message, and another one each time that it is held again."""
    due = F.unix_micros("due_at").cast("string")
    return F.concat_ws("/", F.lit("hold"), due, F.col("source"), F.col("source_id"))
