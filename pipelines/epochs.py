"""The stream's edge of the shared functions: the records of one epoch become the work of one unit.

Invariant: consent changes of an epoch apply before its triggers, whatever their order in Kafka.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from pipelines.campaigns import Campaign
from pipelines.consent import select_consent_changes, select_unreadable_changes
from pipelines.decode import select_dead_letters, select_events, select_triggers
from pipelines.edges.manifests import Manifest
from pipelines.match import campaigns_frame, identify_candidates, match_events, match_triggers
from pipelines.units import Work


def make_epoch_work(
    decoded: DataFrame, spark: SparkSession, manifest: Manifest, versions: dict[str, Campaign]
) -> Work:
    """The work of one epoch; `decoded` as `decode_records` returns it."""
    campaigns = sorted(versions.items())
    events = select_events(decoded)
    matched = match_triggers(select_triggers(decoded), campaigns_frame(spark, campaigns))
    fired = match_events(events, campaigns)
    if fired is not None:
        matched = matched.unionByName(fired)
    return Work(
        candidates=identify_candidates(matched, manifest.pipeline, manifest.send_partitions),
        consent_changes=select_consent_changes(events, manifest.pipeline, manifest.unit),
        dead_letters=select_dead_letters(decoded).unionByName(select_unreadable_changes(events)),
        is_large=False,
    )
