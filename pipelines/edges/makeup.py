"""A make-up run: sends again to exactly those whom a finished run planned and no sender ever acknowledged.

Invariant: it is a run of its own, `RUN_ID.make-up`, with a manifest, a plan and markers, so it is carried out once
however often it is started; its messages keep their ids, so that a sender that had them after all sends nothing twice.
Consent, address and every other gate are asked again, against the newest snapshot. What counts as acknowledged is
pinned with the first start, as offsets of delivery.events; it begins when no message of the run waits any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import Settings
from pipelines.edges.bounds import find_bounds
from pipelines.edges.control import RunControl
from pipelines.edges.faultpoints import now
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore, canonical_json
from pipelines.edges.scheduled import carry_out
from pipelines.edges.status import find_run
from pipelines.edges.tables import Tables
from pipelines.edges.waiting import waiting_by_run
from pipelines.errors import InputError
from pipelines.runs import INCARNATION, MAKE_UP, RUNS, UNIT, make_up_work, run_name, run_pipeline
from schemas.topics import topic

EVENTS = "delivery.events"


def make_up(
    spark: SparkSession, settings: Settings, name: str, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Carry out the make-up run of CAMPAIGN/RUN_ID; returns its result, with `already_complete`. Raises what
    `find_ended` and `UnitRunner.run` raise."""
    objects = ObjectStore(settings.lake)
    manifests = ManifestStore(objects)
    pinned = find_ended(objects, Tables(settings.lake), name)
    campaign_id, _, run_id = name.partition("/")
    pipeline = run_pipeline(campaign_id, run_id + MAKE_UP)
    finished = manifests.result(f"{pipeline}/{INCARNATION}", UNIT)
    if finished is not None:
        say(f"run {run_name(pipeline)} is already complete; it can be made up for in turn")
        return {**finished, "already_complete": True}
    # A make-up of a make-up is still about the messages of the first run.
    source_id = run_id.partition(MAKE_UP)[0]
    begun = manifests.find(f"{run_pipeline(campaign_id, source_id)}/{INCARNATION}", UNIT)
    _check_age(name, (begun or pinned).decided_at)
    ends = _pin_ends(objects, settings, pipeline)
    lake = DeltaLake(spark, settings.lake)
    acknowledged = _acknowledged(spark, settings, ends)
    result = carry_out(
        spark,
        settings,
        pipeline,
        pinned.campaigns,
        lambda _spark, manifest, versions, audience: make_up_work(
            source_id,
            _planned(lake.read(LEDGER, manifest.ledger_version), pinned.pipeline, campaign_id, source_id),
            acknowledged,
            manifest,
            versions,
            audience(),
            settings.decide,
        ),
        say,
    )
    return {**result, "already_complete": False}


def find_ended(objects: ObjectStore, tables: Tables, name: str) -> Manifest:
    """The manifest of CAMPAIGN/RUN_ID, for which a make-up can begin, or go on. Raises `InputError` when there is no
    such run, it has not ended, or messages of it wait: what is sent of them later would not be in it."""
    pipeline = find_run(objects, name)
    manifests = ManifestStore(objects)
    pinned = manifests.find(f"{pipeline}/{INCARNATION}", UNIT)
    if pinned is None or manifests.result(f"{pipeline}/{INCARNATION}", UNIT) is None:
        raise InputError(
            f"run '{name}' has not ended: what it has not published yet needs no make-up. Start it again with its "
            "run id, then make up for it."
        )
    # Of a cancelled run nothing more is sent, though what waits is recorded only when it falls due.
    is_settled = (
        manifests.find(f"{pipeline}{MAKE_UP}/{INCARNATION}", UNIT) is not None
        or RunControl(objects, pipeline).wanted() == "cancel"
    )
    waits = None if is_settled else waiting_by_run(tables).get(pipeline)
    if waits is not None:
        raise InputError(
            f"run '{name}' has ended and {waits.count:,} of its messages wait, until {waits.until:%Y-%m-%dT%H:%M:%S}: "
            "what the stream sends of them later would not be made up for. Start this again when none waits any more "
            f"(`carillon status {name}`), or end the wait with `carillon cancel {name}`."
        )
    return pinned


def _check_age(name: str, begun: datetime) -> None:
    """Raises `InputError` when acknowledgements of the run's messages may be gone: silence then says nothing."""
    kept = timedelta(milliseconds=int(topic(EVENTS).config["retention.ms"]))
    if now() - begun > kept:
        raise InputError(
            f"run '{name}' is about messages of {begun:%Y-%m-%d}, and {EVENTS} keeps what senders say for {kept.days} "
            "days: who was silent cannot be told any more, and a make-up would write to all of them again."
        )


def _planned(ledger: DataFrame, pipeline: str, campaign_id: str, source_id: str) -> DataFrame:
    """The messages that the run has published, by itself or when a hold of it fell due. Grain: one row per
    message_id."""
    of_run = (F.col("source") == "run") & (F.col("source_id") == source_id)
    # Other runs of the same source id are make-up runs of it.
    is_own = (F.col("pipeline") == pipeline) | ~F.col("pipeline").startswith(RUNS)
    rows = ledger.where((F.col("campaign_id") == campaign_id) & of_run & is_own)
    stopped = rows.where(F.col("stage") == "render").select("decision_id")
    sent = rows.where((F.col("stage") == "decide") & (F.col("decision") == "sent"))
    left = sent.join(stopped, on="decision_id", how="left_anti")
    return left.select("message_id", "customer_id", "channel").dropDuplicates(["message_id"])


def _acknowledged(spark: SparkSession, settings: Settings, ends: dict[str, int]) -> DataFrame:
    """The messages that a sender has told anything of. Grain: one row per message_id."""
    reader = spark.read.format("kafka").options(**settings.kafka.spark_source())
    events = (
        reader.option("subscribe", EVENTS)
        .option("startingOffsets", "earliest")
        .option("endingOffsets", json.dumps({EVENTS: ends}))
        .option("kafka.isolation.level", "read_committed")
        .load()
    )
    told = F.from_json(F.col("value").cast("string"), "message_id string").getField("message_id")
    return events.select(told.alias("message_id")).where(F.col("message_id").isNotNull()).distinct()


def _pin_ends(objects: ObjectStore, settings: Settings, pipeline: str) -> dict[str, int]:
    """The end of each partition of the delivery events, as it was when this run was first started."""
    name = f"acknowledgements/{pipeline}.json"
    if (pinned := objects.read_json(name)) is None:
        bounds = find_bounds(settings.kafka.librdkafka(), (EVENTS,))[EVENTS]
        objects.create(name, canonical_json({partition: bound.end for partition, bound in bounds.items()}))
        pinned = objects.read_json(name)
    return dict(pinned or {})
