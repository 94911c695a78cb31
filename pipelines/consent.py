"""Consent as it stands at the moment of the decision: the snapshot, overlaid with every consent event since.

Invariant: the stricter answer wins wherever the order of the two is unknown. An event newer than the extract behind
the snapshot replaces the snapshot's answer; an older one can only withdraw.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns.keys import CONSENT_TOPICS
from pipelines.decode import ORIGIN
from schemas.channels import CHANNEL_NAMES

#: The customer event that records a choice; properties: channel, topic, granted.
CONSENT_EVENT = "consent.changed"

_FIELDS = "channel string, topic string, granted boolean"
_NEEDED = (
    f"consent.changed needs properties channel ({', '.join(CHANNEL_NAMES[:-1])} or {CHANNEL_NAMES[-1]}), "
    f"topic ({', '.join(CONSENT_TOPICS[:-1])} or {CONSENT_TOPICS[-1]}), granted (boolean)"
)


def select_consent_changes(events: DataFrame, pipeline: str, unit: int) -> DataFrame:
    """The consent events of an epoch. Grain: one row per event record, in the columns of the consents table."""
    fields = F.from_json("properties", _FIELDS)
    rows = events.where(F.col("type") == CONSENT_EVENT).select(
        "customer_id",
        fields.getField("channel").alias("channel"),
        fields.getField("topic").alias("topic"),
        fields.getField("granted").alias("granted"),
        "occurred_at",
        "event_id",
        F.lit(pipeline).alias("recorded_pipeline"),
        F.lit(unit).cast("long").alias("recorded_unit"),
    )
    return rows.where(_is_readable(F.col("channel"), F.col("topic"), F.col("granted")))


def select_unreadable_changes(events: DataFrame) -> DataFrame:
    """Consent events that do not say what changed: dead letters, because a lost withdrawal must not be silent.
    Grain: one row per event record, in the columns of dead letters."""
    fields = F.from_json("properties", _FIELDS)
    readable = _is_readable(fields.getField("channel"), fields.getField("topic"), fields.getField("granted"))
    refused = events.where((F.col("type") == CONSENT_EVENT) & ~F.coalesce(readable, F.lit(False)))
    return refused.select(
        *ORIGIN,
        "key",
        "value",
        F.lit("match").alias("stage"),
        F.lit("missing_field").alias("reason"),
        F.lit(_NEEDED).alias("detail"),
    )


def _is_readable(channel: Column, topic: Column, granted: Column) -> Column:
    # Of a channel or a topic that nobody sends about it would be a withdrawal that no gate ever finds.
    return channel.isin(*CHANNEL_NAMES) & topic.isin(*CONSENT_TOPICS) & granted.isNotNull()


def latest_changes(changes: DataFrame) -> DataFrame:
    """The newest change; of two of the same moment the withdrawal. Grain: one row per (customer_id, channel, topic)."""
    newest = F.max_by(F.struct("granted", "occurred_at"), F.struct("occurred_at", ~F.col("granted")))
    grouped = changes.groupBy("customer_id", "channel", "topic").agg(newest.alias("newest"))
    return grouped.select("customer_id", "channel", "topic", "newest.granted", "newest.occurred_at")


def join_consents(candidates: DataFrame, changes: DataFrame, snapshot_as_of: datetime) -> DataFrame:
    """Add `granted`: true, false, or null when nobody ever recorded a choice. Grain unchanged.

    `candidates` carries `customer`; `changes` is the overlay with the epoch's own events already in it."""
    # Unique by (customer_id, channel, topic) after latest_changes.
    overlay = latest_changes(changes).select(
        "customer_id",
        "channel",
        F.col("topic").alias("consent_topic"),
        F.col("granted").alias("changed_to"),
        (F.col("occurred_at") > F.lit(snapshot_as_of)).alias("is_newer"),
    )
    # An extract may hold both answers of one customer: nobody knows their order.
    snapshot = F.when(_has_answered(granted=False), F.lit(False)).when(
        _has_answered(granted=True), F.lit(True)
    )
    joined = candidates.join(F.broadcast(overlay), on=["customer_id", "channel", "consent_topic"], how="left")
    granted = (
        F.when(F.col("changed_to").isNull(), snapshot)
        .when(F.col("is_newer"), F.col("changed_to"))
        .when(~F.col("changed_to"), F.lit(False))
        .otherwise(snapshot)
    )
    return joined.withColumn("granted", granted).drop("changed_to", "is_newer")


def _has_answered(granted: bool) -> Column:
    # Not by a lambda: Spark interprets those, at a quarter of what a run's candidates cost.
    fields = {"channel": F.col("channel"), "topic": F.col("consent_topic"), "granted": F.lit(granted)}
    answer = F.struct(*[value.alias(name) for name, value in fields.items()])
    return F.array_contains(F.col("customer.consents"), answer)
