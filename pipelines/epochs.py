"""The stream's edge of the shared functions: the records of one epoch become the work of one unit.

Invariant: consent changes of an epoch apply before its triggers, whatever their order in Kafka.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.consent import CONSENT_EVENT, select_consent_changes, select_unreadable_changes
from pipelines.decode import select_dead_letters, select_events, select_triggers
from pipelines.edges.manifests import Manifest
from pipelines.match import campaigns_frame, identify_candidates, match_events, match_triggers
from pipelines.suppression import (
    ERASURE_EVENT,
    SUPPRESSION_EVENT,
    select_suppression_changes,
    select_unreadable_suppressions,
)
from pipelines.work import Work

#: Events that mean something to Carillon itself, whatever campaigns there are.
_KNOWN_EVENTS = (CONSENT_EVENT, SUPPRESSION_EVENT, ERASURE_EVENT)


def make_epoch_work(
    decoded: DataFrame, spark: SparkSession, manifest: Manifest, versions: dict[str, Campaign]
) -> Work:
    """The work of one epoch; `decoded` as `decode_records` returns it, persisted."""
    campaigns = sorted(versions.items())
    events = select_events(decoded)
    matched = match_triggers(select_triggers(decoded), campaigns_frame(spark, campaigns))
    fired = match_events(events, campaigns)
    if fired is not None:
        matched = matched.unionByName(fired)
    # One look at what is there: most epochs change no consent and suppress nobody, and an append costs a second.
    types = events.where(F.col("type").isin(*_KNOWN_EVENTS)).select("type").distinct()
    found = {row["type"] for row in types.collect()}
    refused = select_dead_letters(decoded)
    consent_changes = suppression_changes = None
    if CONSENT_EVENT in found:
        consent_changes = select_consent_changes(events, manifest.pipeline, manifest.unit)
        refused = refused.unionByName(select_unreadable_changes(events))
    if found - {CONSENT_EVENT}:
        suppression_changes = select_suppression_changes(events, manifest.pipeline)
        refused = refused.unionByName(select_unreadable_suppressions(events))
    candidates = identify_candidates(matched, manifest.pipeline, manifest.send_partitions)
    return Work(
        candidates=candidates.coalesce(spark.sparkContext.defaultParallelism),
        consent_changes=consent_changes,
        suppression_changes=suppression_changes,
        dead_letters=refused,
        is_large=False,
    )
