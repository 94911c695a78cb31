"""One scheduled campaign run from start or from wherever an earlier attempt of it ended.

Invariant: a finished run is never run again; an unfinished one continues with what its manifest pinned, even when
the campaign or the audience changed since.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

from pyspark.sql import SparkSession

from conf import Settings
from pipelines.campaigns import Campaign
from pipelines.edges.advance import AdvanceReport
from pipelines.edges.audience import AudiencePointer
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.faultpoints import now
from pipelines.edges.heartbeat import Heartbeat
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.terms import Term, driver_name
from pipelines.errors import InputError
from pipelines.match import check_audience_rule
from pipelines.runs import INCARNATION, MAKE_UP, UNIT, make_run_work, run_name, run_pipeline
from pipelines.units import UnitRunner
from pipelines.work import WorkMaker

#: A run id becomes part of object names and of Kafka's transactional ids.
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_campaign(
    spark: SparkSession,
    settings: Settings,
    campaign_id: str,
    run_id: str,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run it; returns its result, with `already_complete` true when an earlier attempt had finished it, and with
    `changed_since` when the run was resumed and what it pinned is no longer what is in force. `say` is told of that,
    and how far the run is.

    Raises `InputError` for an unknown or triggered campaign or an unusable run id, and what `UnitRunner.run` raises.
    """
    name = f"{campaign_id}/{run_id}"
    if not RUN_ID.fullmatch(run_id):
        raise InputError(
            f"run id '{run_id}' cannot be used: found other characters than letters, digits, '.', '_' and '-', or more "
            "than 100. Name it like 2026-03-01 or weekly.9."
        )
    if run_id.endswith(MAKE_UP):
        raise InputError(
            f"run id '{run_id}' is that of a make-up run, which has other work: start it with `carillon make-up "
            f"{name.removesuffix(MAKE_UP)}`."
        )
    objects = ObjectStore(settings.lake)
    pipeline = run_pipeline(campaign_id, run_id)
    manifests = ManifestStore(objects)
    finished = manifests.result(f"{pipeline}/{INCARNATION}", UNIT)
    if finished is not None:
        say(
            f"run {name} is already complete ({finished.get('state', 'finished')}); another run id is another run"
        )
        return {**finished, "already_complete": True}
    pinned = manifests.find(f"{pipeline}/{INCARNATION}", UNIT)
    changed = {} if pinned is None else _changed_since(objects, pinned)
    for what, change in changed.items():
        say(f"run {name} is resumed with the {what} it began with, {change['pinned']}; now: {change['now']}")
    if pinned is None:
        # Before it is pinned, so that a campaign that is published again is mended.
        check_audience_rule(spark, _find_campaign(CampaignStore(objects), campaign_id))
    result = carry_out(
        spark,
        settings,
        pipeline,
        {campaign_id},
        lambda _spark, manifest, versions, audience: make_run_work(
            run_id, manifest, versions, audience(), settings.decide
        ),
        say,
    )
    return {**result, "already_complete": False, **({"changed_since": changed} if changed else {})}


def carry_out(
    spark: SparkSession,
    settings: Settings,
    pipeline: str,
    campaigns: set[str] | dict[str, str],
    make: WorkMaker,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Run the one unit of a run's pipeline as its youngest driver, telling `say` how far it is."""
    objects = ObjectStore(settings.lake)
    term = Term(objects, pipeline, driver_name(spark))
    runner = UnitRunner(spark, settings, pipeline, INCARNATION, term)
    reporting = AdvanceReport(objects, settings.kafka.librdkafka(), pipeline, run_name(pipeline), say)
    with closing(reporting) as report, Heartbeat(objects, pipeline, report.tick):
        return runner.run(UNIT, now(), campaigns, make)


def _changed_since(objects: ObjectStore, pinned: Manifest) -> dict[str, dict[str, Any]]:
    """What the run has pinned and is no longer in force, by its name."""
    active, promoted = CampaignStore(objects).active_digests(), AudiencePointer(objects).find()
    pairs: dict[str, tuple[Any, Any]] = {
        "audience snapshot": (pinned.audience_version, promoted.version if promoted else None)
    }
    for campaign_id, digest in pinned.campaigns.items():
        pairs["campaign version"] = (digest, active.get(campaign_id))
    return {what: {"pinned": old, "now": new} for what, (old, new) in pairs.items() if old != new}


def _find_campaign(store: CampaignStore, campaign_id: str) -> Campaign:
    active = store.active_digests()
    if campaign_id not in active:
        known = ", ".join(sorted(active)) or "none"
        raise InputError(
            f"campaign '{campaign_id}' is not published in this lake. Published: {known}. "
            "Publish it with `carillon publish FOLDER`."
        )
    campaign = store.load(active[campaign_id])
    if campaign.kind != "scheduled":
        raise InputError(
            f"campaign '{campaign_id}' is {campaign.kind}: it is sent by send_triggered when its trigger arrives. "
            "Only campaigns with `kind: scheduled` are run."
        )
    return campaign
