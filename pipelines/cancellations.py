"""Events that drop a waiting message: found by the campaign's `cancel_on`, and compared with each candidate.

Invariant: an event drops the messages of triggers that are not younger than itself, whichever of the two arrives first.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.campaigns.trigger import CancelRule
from pipelines.match import where_declared
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


def join_cancellations(candidates: DataFrame, cancellations: DataFrame | None) -> DataFrame:
    """Add `cancelled_by`: the event that drops the candidate, in words, the earliest of several; null when none does.
    Grain unchanged. For few candidates: their customers are sent to the table."""
    if cancellations is None:
        return candidates.withColumn("cancelled_by", F.lit(None).cast("string"))
    asked = candidates.select("campaign_id", "customer_id")
    known = cancellations.join(F.broadcast(asked), on=["campaign_id", "customer_id"], how="left_semi")
    entry = F.struct("occurred_at", "event_type", "event_id", "property", "value")
    # Unique by (campaign_id, customer_id).
    grouped = known.groupBy("campaign_id", "customer_id").agg(
        F.array_sort(F.collect_set(entry)).alias("cancellations")
    )
    joined = candidates.join(F.broadcast(grouped), on=["campaign_id", "customer_id"], how="left")
    first = F.get(F.filter(F.col("cancellations"), _applies), F.lit(0))
    at = F.date_format(first["occurred_at"], "yyyy-MM-dd'T'HH:mm:ss'Z'")
    said = F.concat_ws(" ", first["event_type"], first["event_id"], at)
    return joined.withColumn("cancelled_by", F.when(first.isNotNull(), said)).drop("cancellations")


def _applies(event: Column) -> Column:
    is_later = event["occurred_at"] >= F.col("occurred_at")
    own_value = F.call_function("get_json_object", F.col("data"), F.concat(F.lit("$."), event["property"]))
    return is_later & (event["property"].isNull() | (event["value"] == own_value))


def cancel_runs(candidates: DataFrame, pipelines: list[str]) -> DataFrame:
    """Set `cancelled_by` for what runs of these pipelines have held. Grain unchanged."""
    pipeline = F.concat_ws("-", F.lit("run"), "campaign_id", "source_id")
    is_cancelled = (F.col("source") == "run") & pipeline.isin(*pipelines)
    said = F.when(is_cancelled, F.concat(F.lit("the run was cancelled: "), pipeline))
    earlier = F.col("cancelled_by") if "cancelled_by" in candidates.columns else F.lit(None).cast("string")
    return candidates.withColumn("cancelled_by", F.coalesce(earlier, said))
