"""Holds as rows: a held decision becomes one, an open one becomes a candidate again, a decided one is closed.

Invariant: a hold is made from its row of the ledger and closed by the unit that decided about it anew, so that a unit
which is started again makes the same rows. The message keeps its id through all its decisions.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from schemas.tables import table

HOLDS = table("holds")


def open_rows(decisions: DataFrame, owner: str) -> DataFrame:
    """The holds of a unit's held decisions, given as rows of the ledger. Grain: one row per hold. In the order of
    their due times within each file, whose bounds then let a release skip it."""
    held = decisions.where((F.col("stage") == "decide") & (F.col("decision") == "held"))
    made = {
        "hold_id": F.col("decision_id"),
        "state": F.lit("open"),
        "owner": F.lit(owner),
        "due_date": F.to_date("due_at"),
        "held_at": F.col("decided_at"),
    }
    columns = [made.get(name, F.col(name)).alias(name) for name in HOLDS.column_names]
    return held.select(*columns).sortWithinPartitions("due_at")


def closed_rows(candidates: DataFrame, owner: str) -> DataFrame:
    """The word that the holds behind these candidates were decided anew. Grain: one row per hold."""
    known = {
        "hold_id": F.col("hold_id"),
        "state": F.lit("closed"),
        "owner": F.lit(owner),
        "due_at": F.col("hold_due_at"),
        "due_date": F.to_date("hold_due_at"),
    }
    columns = [
        known.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
        for field in HOLDS.schema().fields
    ]
    return candidates.where(F.col("hold_id").isNotNull()).select(*columns)


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


def select_due(rows: DataFrame, owner: str, clock: datetime, most: int) -> DataFrame:
    """What a release works on: the due holds, at most so many customers' messages, the most urgent and then the oldest
    first; all channels of a message together."""
    due = select_open(due_by(rows, clock), owner)
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
        "variants",
        "channel",
        "customer_id",
        "occurred_at",
        "expires_at",
        "data",
        _origin().alias("origin"),
        "policy",
        F.lit(is_due).alias("is_due"),
        "hold_id",
        F.col("due_at").alias("hold_due_at"),
    )


def _origin() -> Column:
    """The same for all channels of a message, and another one each time that it is held again."""
    due = F.unix_micros("due_at").cast("string")
    return F.concat_ws("/", F.lit("hold"), due, F.col("source"), F.col("source_id"))
