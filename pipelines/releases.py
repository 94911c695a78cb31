"""The release of holds as the work of a unit: what is due becomes candidates again.

Invariant: the manifest pins the version of the holds and the clock, so that a release which is started again works on
the same holds.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.edges.manifests import Manifest
from pipelines.holds import match_holds, select_due
from pipelines.match import campaigns_frame, identify_candidates
from pipelines.work import Work


def release_pipeline(stream: str) -> str:
    """The pipeline that releases what a stream, and the runs beside it, hold."""
    return f"{stream}-holds"


def make_release_work(
    holds: DataFrame,
    most: int,
    spark: SparkSession,
    manifest: Manifest,
    versions: dict[str, Campaign],
    house: Decide,
) -> Work:
    """The work of one release; `holds` as pinned, `most` as for `select_due`."""
    campaigns = campaigns_frame(spark, sorted(versions.items()), house)
    due = select_due(holds, manifest.pipeline, manifest.decided_at, most, manifest.paused_runs)
    matched = match_holds(due, campaigns, is_due=True)
    return Work(
        candidates=identify_candidates(matched, manifest.pipeline, manifest.send_partitions),
        consent_changes=None,
        dead_letters=None,
        has_holds=True,
    )
