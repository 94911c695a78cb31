"""Consent as it stands at the moment of the decision: the snapshot, overlaid with every consent event since.

Invariant: the stricter answer wins wherever the order of the two is unknown. An event newer than the extract behind
the snapshot replaces the snapshot's answer; an older one can only withdraw.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns.keys import CONSENT_TOPICS
from pipelines.decide.rows import whole_array
from pipelines.decode import ORIGIN
from pipelines.latest import latest, places
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


def granted_of(candidates: pa.Table, changes: pa.Table, snapshot_as_of: datetime) -> pa.Array:
    """For each candidate: true, false, or null when nobody ever recorded a choice.

    `candidates` carries `customer`; `changes` are rows of the table, the epoch's own among them."""
    is_withdrawal = pc.invert(changes["granted"])
    said = latest(
        changes.append_column("is_withdrawal", is_withdrawal), _ABOUT, ("occurred_at", "is_withdrawal")
    )
    asked = [whole_array(candidates[name]) for name in ("customer_id", "channel", "consent_topic")]
    found = places(asked, [whole_array(said[name]) for name in _ABOUT])
    changed = whole_array(said["granted"]).take(found)
    at = whole_array(said["occurred_at"]).take(found)
    is_newer = pc.fill_null(pc.greater(at, pa.scalar(snapshot_as_of, at.type)), False)
    is_withdrawn = pc.fill_null(pc.invert(changed), False)
    return pc.if_else(is_newer, changed, pc.if_else(is_withdrawn, False, _in_snapshot(candidates)))


#: What a consent is about.
_ABOUT = ("customer_id", "channel", "topic")


def _in_snapshot(candidates: pa.Table) -> pa.Array:
    """What the extract says of each candidate's channel and topic. It may hold both answers of one customer: nobody
    knows their order."""
    consents = pc.struct_field(whole_array(candidates["customer"]), "consents")
    whose, answers = pc.list_parent_indices(consents), consents.flatten()
    is_asked = pc.and_(
        *(
            pc.equal(pc.struct_field(answers, field), whole_array(candidates[name]).take(whose))
            for field, name in (("channel", "channel"), ("topic", "consent_topic"))
        )
    )
    granted = pc.struct_field(answers, "granted")
    yes, no = (
        _any_of(pc.and_(is_asked, said), whose, len(consents)) for said in (granted, pc.invert(granted))
    )
    return pc.if_else(no, False, pc.if_else(yes, True, pa.scalar(None, pa.bool_())))


def _any_of(flags: pa.Array, whose: pa.Array, count: int) -> pa.Array:
    """Whether any of the flags of each row is set; null is not."""
    found = np.zeros(count, bool)
    found[whose.filter(pc.fill_null(flags, False)).to_numpy()] = True
    return pa.array(found)
