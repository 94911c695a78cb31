"""The scheduled run's edge of the shared functions: the audience of one campaign becomes the work of one unit.

Invariant: a run is the pair (campaign, run id); its pipeline name is made of both, so it has one manifest, one set of
progress markers and one place in the ledger, however often it is started.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.considered import Considered, RunScope
from pipelines.decide.policy import policy_text
from pipelines.edges.manifests import Manifest
from pipelines.match import select_members
from pipelines.work import Work

#: A run is one unit of its own pipeline.
UNIT = 0
#: A run has one life.
INCARNATION = "run"
#: What the run id of a make-up run adds to that of the run it makes up for.
MAKE_UP = ".make-up"
#: How the pipeline names of runs begin, and no others.
RUNS = "run-"


def run_pipeline(campaign_id: str, run_id: str) -> str:
    """The pipeline name of a run."""
    return f"{RUNS}{campaign_id}-{run_id}"


def is_run(pipeline: str) -> bool:
    """Whether the pipeline is that of a run."""
    return pipeline.startswith(RUNS)


def run_name(pipeline: str) -> str:
    """CAMPAIGN/RUN_ID of a run's pipeline, as people name a run; a campaign id holds no hyphen."""
    campaign_id, _, run_id = pipeline.removeprefix(RUNS).partition("-")
    return f"{campaign_id}/{run_id}"


def make_run_work(
    run_id: str, manifest: Manifest, versions: dict[str, Campaign], audience: DataFrame, house: Decide
) -> Work:
    """The work of one run; `versions` holds exactly one campaign."""
    ((_, campaign),) = versions.items()
    members = select_members(audience, campaign, F.lit(manifest.decided_at))
    return _work(run_id, manifest, versions, audience, members, house)


def make_up_work(
    run_id: str,
    planned: DataFrame,
    acknowledged: DataFrame,
    manifest: Manifest,
    versions: dict[str, Campaign],
    audience: DataFrame,
    house: Decide,
) -> Work:
    """The work of a make-up run: `planned` (message_id, customer_id, channel; one row per message) without those that
    are in `acknowledged` (message_id). They are considered as the first run did, so their message ids are the same; who
    is no longer in the snapshot is still considered."""
    left = planned.join(acknowledged, on="message_id", how="left_anti")
    members = left.select("customer_id", "channel", F.lit(None).cast("string").alias("outside_of"))
    return _work(run_id, manifest, versions, audience, members, house)


def _work(
    run_id: str,
    manifest: Manifest,
    versions: dict[str, Campaign],
    audience: DataFrame,
    members: DataFrame | None,
    house: Decide,
) -> Work:
    ((digest, campaign),) = versions.items()
    clock = manifest.decided_at
    scope = RunScope.of(campaign, digest, run_id, manifest.pipeline, clock, manifest.send_partitions)
    return Work(
        candidates=Considered(scope, audience, members),
        consent_changes=None,
        dead_letters=None,
        policy=policy_text(campaign, house),
    )
