"""The scheduled run's edge of the shared functions: the audience of one campaign becomes the work of one unit.

Invariant: a run is the pair (campaign, run id); its pipeline name is made of both, so it has one manifest, one set of
progress markers and one place in the ledger, however often it is started.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.decide.policy import policy_text
from pipelines.edges.manifests import Manifest
from pipelines.match import as_run_candidates, identify_candidates, match_audience
from pipelines.work import Work

#: A run is one unit of its own pipeline.
UNIT = 0
#: A run has one life.
INCARNATION = "run"
#: What the run id of a make-up run adds to that of the run it makes up for.
MAKE_UP = ".make-up"


def run_pipeline(campaign_id: str, run_id: str) -> str:
    """The pipeline name of a run."""
    return f"run-{campaign_id}-{run_id}"


def run_name(pipeline: str) -> str:
    """CAMPAIGN/RUN_ID of a run's pipeline, as people name a run; a campaign id holds no hyphen."""
    campaign_id, _, run_id = pipeline.removeprefix("run-").partition("-")
    return f"{campaign_id}/{run_id}"


def make_run_work(
    run_id: str, manifest: Manifest, versions: dict[str, Campaign], audience: DataFrame, house: Decide
) -> Work:
    """The work of one run; `versions` holds exactly one campaign."""
    ((digest, campaign),) = versions.items()
    members = match_audience(audience, digest, campaign, run_id, F.lit(manifest.decided_at), house)
    return Work(
        candidates=identify_candidates(members, manifest.pipeline, manifest.send_partitions),
        consent_changes=None,
        dead_letters=None,
        is_large=True,
        policy=policy_text(campaign, house),
    )


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
    are in `acknowledged` (message_id). They are considered as the first run did, so their message ids are the same."""
    ((digest, campaign),) = versions.items()
    left = planned.join(acknowledged, on="message_id", how="left_anti").select("customer_id", "channel")
    customers = audience.select("customer_id", F.struct(*audience.columns).alias("customer"))
    # customer_id is unique in a snapshot; who is no longer in it is still considered.
    recipients = left.join(customers, on="customer_id", how="left")
    members = as_run_candidates(recipients, digest, campaign, run_id, F.lit(manifest.decided_at), house)
    return Work(
        candidates=identify_candidates(members, manifest.pipeline, manifest.send_partitions),
        consent_changes=None,
        dead_letters=None,
        is_large=True,
        policy=policy_text(campaign, house),
    )
