"""Events that drop a waiting message: found by the campaign's `cancel_on`, and compared with each candidate.

Invariant: an event drops the messages of triggers that are not younger than itself, whichever of the two arrives first.
It does not drop the message that it has fired itself, so that of many like it the last one counts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.campaigns.trigger import CancelRule
from pipelines.match import EVENT_COLUMNS, where_declared
from schemas.tables import table

CANCELLATIONS = table("cancellations")


def has_cancel_rules(campaigns: Sequence[Campaign]) -> bool:
    """Whether any campaign can be cancelled by an event."""
    return any(campaign.trigger and campaign.trigger.cancel_on for campaign in campaigns)


def cancelling_types(campaigns: Sequence[Campaign]) -> set[str]:
    """The types of events that cancel something."""
    return {rule.event for one in campaigns if one.trigger for rule in one.trigger.cancel_on}


def select_cancellations(events: DataFrame, campaigns: Sequence[Campaign]) -> DataFrame | None:
    """The cancelling events. Grain: one row per (record, rule), in the columns of the table; None without a rule.
    Raises `InputError` for a condition that Spark does not understand."""
    found: DataFrame | None = None
    for campaign in campaigns:
        for number, rule in enumerate(campaign.trigger.cancel_on if campaign.trigger else ()):
            one = _select(events, campaign, rule, f"trigger.cancel_on[{number}].when")
            found = one if found is None else found.unionByName(one)
    return found


def check_cancellations(spark: SparkSession, campaigns: Sequence[Campaign]) -> None:
    """Raises `InputError` for a rule whose condition Spark does not understand; on no rows, so nothing runs."""
    select_cancellations(spark.createDataFrame([], EVENT_COLUMNS), campaigns)


def _select(events: DataFrame, campaign: Campaign, rule: CancelRule, key: str) -> DataFrame:
    rows = events.where(F.col("type") == F.lit(rule.event)).withColumnRenamed("properties", "data")
    if rule.when:
        rows = where_declared(rows, rule.when, campaign, key)
    name = F.lit(rule.match).cast("string")
    return rows.select(
        F.lit(campaign.campaign_id).alias("campaign_id"),
        "customer_id",
        name.alias("property"),
        (F.get_json_object("data", f"$.{rule.match}") if rule.match else name).alias("value"),
        F.col("type").alias("event_type"),
        "event_id",
        "occurred_at",
    )


def cancelled_by(candidates: pa.Table, cancellations: pa.Table, clock: datetime) -> pa.Array:
    """For each of a few candidates the event that drops it, in words, the earliest of several; null when none does.
    `cancellations`: rows of the table, the epoch's own among them. A trigger from the future is of the unit's `clock`,
    or of when it was held: no wrong clock of a producer keeps its message from being dropped."""
    events: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in cancellations.to_pylist():
        events[event["campaign_id"], event["customer_id"]].append(event)
    names = ("campaign_id", "customer_id", "source", "source_id", "data")
    rows = zip(_known_at(candidates, clock), *(candidates[name].to_pylist() for name in names), strict=True)
    found = [
        _first(events.get((campaign, customer), ()), at, data, source_id if source == "event" else None)
        for at, campaign, customer, source, source_id, data in rows
    ]
    return pa.array(found, pa.string())


def _known_at(candidates: pa.Table, clock: datetime) -> list[datetime | None]:
    """The time of each trigger, but not later than it was first decided about."""
    occurred = candidates["occurred_at"]
    first: Any = pa.scalar(clock, occurred.type)
    if "held_at" in candidates.column_names:
        first = pc.coalesce(candidates["held_at"].cast(occurred.type), first)
    return list(pc.if_else(pc.greater(occurred, first), first, occurred).to_pylist())


def _first(
    events: Iterable[dict[str, Any]], occurred_at: datetime | None, data: str | None, own: str | None
) -> str | None:
    """`own`: the id of the event that has fired the message."""
    applying = [
        (event["occurred_at"], event["event_type"], event["event_id"])
        for event in events
        if occurred_at is not None
        and event["event_id"] != own
        and event["occurred_at"] >= occurred_at
        and _is_about(event, data)
    ]
    if not applying:
        return None
    at, kind, event_id = min(applying)
    return f"{kind} {event_id} {at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _is_about(event: dict[str, Any], data: str | None) -> bool:
    """Whether the candidate's data say of the event's property what the event says; always without a property."""
    if event["property"] is None:
        return True
    fields = json.loads(data or "null")
    own = fields.get(event["property"]) if isinstance(fields, dict) else None
    if own is None or event["value"] is None:
        return False
    if isinstance(own, str):
        return bool(event["value"] == own)
    # Whoever wrote the event down has read its JSON: 1.50 may have become 1.5.
    try:
        said = json.loads(event["value"])
    except ValueError:
        return False
    return bool(said == own and isinstance(said, bool) == isinstance(own, bool))


def cancelled_with(candidates: pa.Table, pipelines: Collection[str]) -> pa.Array:
    """For each of a release's candidates the run that holds it, in words, where that is one of these pipelines and so
    was cancelled."""
    runs = candidates["run"].to_pylist()
    said = [f"the run was cancelled: {run}" if run in pipelines else None for run in runs]
    return pa.array(said, pa.string())
