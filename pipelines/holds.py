"""Holds as rows: a held decision becomes one, an open one becomes a candidate again, a decided one is closed.

Invariant: a hold is made from its row of the ledger and closed by the unit that decided about it anew, so that a unit
which is started again makes the same rows. The message keeps its id through all its decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.decide.rate import REASON as RATE_REASON
from pipelines.runs import run_pipeline
from schemas.tables import table

HOLDS = table("holds")
#: What a hold keeps of its decision.
OPENED_FROM = (
    "decision_id",
    "decided_at",
    "pipeline",
    *(name for name in HOLDS.column_names if name in table("ledger").column_names),
)


def open_rows(held: pa.Table, owner: str, again: pa.Table | None = None) -> pa.Table:
    """The holds of decisions to hold, given as rows of the ledger with `OPENED_FROM`. Grain: one row per hold. `again`:
    the candidates, where some of them are holds, which stay those of their run."""
    # The ledger's strings come as views from the engine that reads it, which Arrow does not compare.
    source, pipeline = (held[name].cast(pa.string()) for name in ("source", "pipeline"))
    run = pc.if_else(pc.equal(source, "run"), pipeline, pa.scalar(None, pa.string()))
    if again is not None:
        run = again["run"].take(pc.index_in(held["message_id"], value_set=again["message_id"]))
    made = {
        "hold_id": held["decision_id"],
        "owner": owner,
        "state": "open",
        "due_date": held["due_at"].cast(pa.date32()),
        "held_at": held["decided_at"],
        "run": run,
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


def select_open(rows: DataFrame, owner: str, customers: DataFrame | None = None) -> DataFrame:
    """The open holds of an owner, where given of these customers (few). `rows`: the table, or all its rows of some due
    times."""
    own = rows.where(F.col("owner") == owner)
    closed = own.where(F.col("state") == "closed").select("hold_id", "due_date")
    opened = own.where(F.col("state") == "open")
    if customers is not None:
        opened = opened.join(F.broadcast(customers), on="customer_id", how="left_semi")
    # due_date is part of both sides, so that what is skipped of one is skipped of the other.
    return opened.join(closed, on=["hold_id", "due_date"], how="left_anti")


def due_by(rows: DataFrame, moment: datetime) -> DataFrame:
    """The rows due at that moment, by their partition first."""
    is_day = F.col("due_date") <= F.lit(moment.date())
    return rows.where(is_day & (F.col("due_at") <= F.lit(moment)))


#: The channels of one message: decided in one unit, since a campaign may choose between them.
_TOGETHER = ("priority", "due_at", "campaign_id", "source", "source_id", "customer_id")


def run_of_hold() -> Column:
    """The pipeline of the run behind a hold, null for a trigger's. An older row names the first run alone, also where
    another one made up for it."""
    first = F.format_string(run_pipeline("%s", "%s"), "campaign_id", "source_id")
    return F.when(F.col("source") == "run", F.coalesce("run", first))


def without_runs(holds: DataFrame, pipelines: Sequence[str]) -> DataFrame:
    """The holds but for those of these runs, which are paused."""
    return holds.where(~F.coalesce(run_of_hold().isin(*pipelines), F.lit(False))) if pipelines else holds


def select_due(rows: DataFrame, owner: str, clock: datetime, most: int, paused: Sequence[str]) -> DataFrame:
    """What a release works on: the due holds, at most so many customers' messages, the most urgent and then the oldest
    first; all channels of a message together. None of the `paused` runs."""
    due = without_runs(select_open(due_by(rows, clock), owner), paused)
    order = [F.col("priority").desc_nulls_last(), *[F.col(name) for name in _TOGETHER[1:]]]
    chosen = due.select(*_TOGETHER).distinct().orderBy(*order).limit(most)
    matching = F.lit(True)
    ours, theirs = due.alias("due"), chosen.alias("chosen")
    for name in _TOGETHER:
        matching &= F.col(f"due.{name}").eqNullSafe(F.col(f"chosen.{name}"))
    return ours.join(F.broadcast(theirs), on=matching, how="left_semi")


def match_holds(holds: DataFrame, campaigns: DataFrame, is_due: bool) -> DataFrame:
    """Holds with the campaign as it is now; a campaign that is gone counts as unknown. Grain: one row per hold.
    `campaigns` as `campaigns_frame` makes it. The result is what `identify_candidates` takes."""
    # campaign_id is unique in `campaigns`: one bundle is active per campaign.
    known = campaigns.drop("kind", "channels")
    matched = holds.join(F.broadcast(known), on="campaign_id", how="left")
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
        F.lit(is_due).alias("is_due"),
        # Of older versions nobody knows why they wait: most by their delivery rate, as there are most of these.
        (F.lit(is_due) & F.coalesce(F.col("reason") == RATE_REASON, F.lit(True))).alias("has_turn"),
        "hold_id",
        "held_at",
        F.col("due_at").alias("hold_due_at"),
        run_of_hold().alias("run"),
    )


def _origin() -> Column:
    """The same for all channels of a message, and another one each time that it is held again."""
    due = F.unix_micros("due_at").cast("string")
    return F.concat_ws("/", F.lit("hold"), due, F.col("source"), F.col("source_id"))
