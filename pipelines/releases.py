"""The release of holds as the work of a unit: what is due becomes candidates again.

Invariant: the manifest pins the version of the holds and the clock, so that a release which is started again works on
the same holds. What a run holds is sent in the version that it began with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.edges.due import DueHolds
from pipelines.edges.manifests import Manifest
from pipelines.holds import Paused, match_holds
from pipelines.lanes import urgent_campaigns
from pipelines.match import campaigns_frame, identify_candidates
from pipelines.work import Work


def release_pipeline(stream: str) -> str:
    """The pipeline that releases what a stream, and the runs beside it, hold."""
    return f"{stream}-holds"


def make_release_work(
    holds: DueHolds,
    most: int,
    spark: SparkSession,
    manifest: Manifest,
    versions: dict[str, Campaign],
    house: Decide,
    load: Callable[[str], Campaign],
) -> Work:
    """The work of one release, of at most so many messages. `load` gives the campaign version of a digest."""
    paused = Paused(manifest.paused_runs, manifest.paused_campaigns)
    urgent = urgent_campaigns(versions.values())
    due = holds.select(manifest.holds_version, manifest.decided_at, most, paused, urgent)
    of_runs = due.filter(pc.is_valid(due["run"]))
    begun_with = {
        digest: versions.get(digest) or load(digest)
        for digest in pc.unique(of_runs["campaign_version"]).drop_null().to_pylist()
    }
    matched = match_holds(
        spark.createDataFrame(due),
        campaigns_frame(spark, sorted(versions.items()), house),
        manifest.decided_at,
        of_runs=campaigns_frame(spark, sorted(begun_with.items()), house),
    )
    return Work(
        candidates=identify_candidates(matched, manifest.pipeline, manifest.send_partitions),
        consent_changes=None,
        dead_letters=None,
        has_holds=True,
        versions=begun_with,
        runs=_runs_by_campaign(of_runs),
    )


def _runs_by_campaign(holds: pa.Table) -> dict[str, frozenset[str]]:
    found = defaultdict(set)
    for pair in holds.group_by(["campaign_id", "run"]).aggregate([]).to_pylist():
        found[pair["campaign_id"]].add(pair["run"])
    return {campaign_id: frozenset(runs) for campaign_id, runs in found.items()}
