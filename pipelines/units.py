"""One unit of work, an epoch of the stream or a scheduled run: pin, decide, record, publish, balance.

Invariant: decisions are in the ledger before the first message is published, and what is published is what the
ledger says: a unit that is started again decides nothing anew. Stream and batch differ only in the candidates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import Settings
from pipelines import dead_letters as letters
from pipelines.books import Books
from pipelines.campaigns import Campaign
from pipelines.decide import render_failures
from pipelines.edges.audience import AudiencePointer
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.control import ControlPoint, cancelled_pipelines
from pipelines.edges.faultpoints import reach
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.plans import PlanStore
from pipelines.edges.progress import MarkerKey, count_partitions
from pipelines.edges.publisher import PublishTarget
from pipelines.edges.rates import Rates
from pipelines.edges.terms import driver_name
from pipelines.lanes import publish_order
from pipelines.links import link_settings
from pipelines.match import check_conditions
from pipelines.publishing import ACCOUNT_COLUMNS, PUBLISHED_COLUMNS, PublishPlan, publish_task
from pipelines.recording import CANCELLATIONS, CONSENTS, HOLDS, LEDGER, SUPPRESSIONS, Recorder
from pipelines.releases import release_pipeline
from pipelines.work import WorkMaker
from schemas.tables import table
from schemas.topics import load_topics

AUDIENCE = table("audience")


class UnitRunner:
    """Runs the units of one pipeline. `incarnation` tells apart its lives, `term` its drivers; see `MarkerKey`."""

    def __init__(
        self, spark: SparkSession, settings: Settings, pipeline: str, incarnation: str, term: int
    ) -> None:
        self.spark = spark
        self.settings = settings
        self.pipeline = pipeline
        self.incarnation = incarnation
        self.term = term
        self.objects = ObjectStore(settings.lake)
        self.campaigns = CampaignStore(self.objects)
        self.manifests = ManifestStore(self.objects)
        self.lake = DeltaLake(spark, settings.lake)
        self.app_id = f"{pipeline}/{incarnation}"
        self.recorder = Recorder(
            lake=self.lake,
            objects=self.objects,
            settings=settings,
            app_id=self.app_id,
            owner=release_pipeline(settings.stream.pipeline),
            driver=driver_name(spark),
        )
        self._checked: set[str] = set()
        self._links = link_settings(settings.links)
        for declared in (CONSENTS, LEDGER):
            self.lake.ensure(declared)
        self._target = PublishTarget(
            client=settings.kafka.librdkafka(),
            progress_partitions=count_partitions(settings.kafka.librdkafka()),
            transaction_timeout_ms=settings.publish.transaction_timeout_ms,
            message_bytes_max=max(int(t.config.get("max.message.bytes", "1000000")) for t in load_topics()),
        )

    def run(
        self, unit: int, clock: datetime, campaign_ids: set[str] | dict[str, str] | None, make: WorkMaker
    ) -> dict[str, Any]:
        """Run the unit to its end, or finish what an earlier attempt began; returns its result (see `finish`).

        `campaign_ids` None pins every active campaign; a dict names the version of each, active or not.
        Raises `ImbalanceError`, `FencedError`, `StorageError`, `NoAudienceError`, `MissingBundleError`."""
        manifest, is_new = self.manifests.pin(
            self.app_id, unit, lambda: self.make_manifest(unit, clock, campaign_ids)
        )
        reach("after-manifest")
        if not is_new and (finished := self.manifests.result(self.app_id, unit)) is not None:
            # All of it is published. Its markers may be gone: a later incarnation writes under the same keys.
            return finished
        versions, audience = self.pinned(manifest)
        work = make(self.spark, manifest, versions, audience)
        books = Books()
        self.recorder.record(unit, manifest, is_new, work, list(versions.values()), audience, books)
        self.publish(unit, manifest, versions, audience, work.is_large, books)
        refused = self._publish_dead_letters(unit, work.dead_letters)
        return self.conclude(unit, manifest, books, refused)

    def pinned(self, manifest: Manifest) -> tuple[dict[str, Campaign], DataFrame]:
        """The campaign versions and the audience of a manifest."""
        versions = {digest: self.campaigns.load(digest) for digest in manifest.campaigns.values()}
        return versions, self.lake.read(AUDIENCE, manifest.audience_version)

    def conclude(
        self, unit: int, manifest: Manifest, books: Books, refused: dict[str, int]
    ) -> dict[str, Any]:
        """Balance the books and write the result."""
        books.check(f"{self.pipeline} unit {unit}")
        result = {
            "pipeline": self.pipeline,
            "unit": unit,
            "clock": manifest.clock,
            "state": "cancelled" if books.excluded("cancelled_run") else "finished",
            "campaigns": books.to_dict(),
            "dead_letters": refused,
        }
        reach("before-result")
        self.manifests.finish(self.app_id, unit, result)
        reach("after-result")
        return result

    def make_manifest(
        self, unit: int, clock: datetime, campaign_ids: set[str] | dict[str, str] | None
    ) -> Manifest:
        pointer = AudiencePointer(self.objects).read()
        active = self.campaigns.active_digests()
        chosen = {k: v for k, v in active.items() if campaign_ids is None or k in campaign_ids}
        if isinstance(campaign_ids, dict):
            chosen = campaign_ids
        # Before they are pinned, so that a campaign that is published again is mended.
        unchecked = set(chosen.values()) - self._checked
        check_conditions(self.spark, [self.campaigns.load(digest) for digest in sorted(unchecked)])
        self._checked |= unchecked
        return Manifest(
            pipeline=self.pipeline,
            unit=unit,
            clock=clock.isoformat(),
            audience_version=pointer.version,
            audience_as_of=pointer.as_of,
            consents_version=self.lake.version(CONSENTS),
            suppressions_version=self.lake.version(SUPPRESSIONS),
            cancellations_version=self.lake.version(CANCELLATIONS),
            holds_version=self.lake.version(HOLDS),
            cancelled_runs=cancelled_pipelines(self.objects) if self.pipeline == self.recorder.owner else [],
            rate_free_at=Rates(self.objects).free_at(map(self.campaigns.load, chosen.values())),
            ledger_version=self.lake.version(LEDGER),
            send_partitions=self.settings.stream.send_partitions,
            campaigns=chosen,
            messages_per_transaction=self.settings.publish.messages_per_transaction,
        )

    def publish(
        self,
        unit: int,
        manifest: Manifest,
        versions: dict[str, Campaign],
        audience: DataFrame,
        is_large: bool,
        books: Books,
    ) -> None:
        reach("before-publish")
        decided = self.decisions(unit, manifest)
        sent = decided.where((F.col("stage") == "decide") & (F.col("decision") == "sent"))
        chosen = sent.select(*PUBLISHED_COLUMNS)
        if is_large:
            PlanStore(self.objects).record(self.app_id, unit, manifest, sent)
        customers = audience.select("customer_id", F.struct(*audience.columns).alias("customer"))
        # customer_id is unique in a snapshot: the audience build's expectations refuse one where it is not.
        joined = customers.join(chosen if is_large else F.broadcast(chosen), on="customer_id", how="inner")
        plan = PublishPlan(
            target=self._target,
            pipeline=self.pipeline,
            incarnation=self.incarnation,
            term=self.term,
            unit=unit,
            clock=manifest.clock,
            campaigns=versions,
            channels=self.settings.channels,
            links=self._links,
            messages_per_transaction=manifest.messages_per_transaction,
            control=ControlPoint(self.settings.lake, self.pipeline) if is_large else None,
        )
        account = (
            joined.repartitionById(manifest.send_partitions, F.col("send_partition"))
            .sortWithinPartitions(*publish_order(versions))
            .mapInArrow(publish_task(plan), ACCOUNT_COLUMNS)
            .persist()
        )
        try:
            grouped = account.groupBy("outcome", "campaign_id", "channel").agg(
                F.sum("messages").alias("messages")
            )
            totals = [row.asDict() for row in grouped.collect()]
            reach("after-publish")
            books.add_published([row for row in totals if row["outcome"] == "published"])
            if any(row["outcome"] != "published" for row in totals):
                self._record_failures(unit, sent, account.where(F.col("outcome") != "published"))
        finally:
            account.unpersist()
        summary = self.decisions(unit, manifest)
        counted = summary.groupBy("stage", "campaign_id", "channel", "decision", "reason").count()
        books.add_decisions([row.asDict() for row in counted.collect()])

    def _record_failures(self, unit: int, sent: DataFrame, failures: DataFrame) -> None:
        rows = render_failures(sent, failures.select("message_id", "outcome", "reason", "detail"))
        self.lake.append_once(LEDGER, rows, f"{self.app_id}/render", unit)

    def _publish_dead_letters(self, unit: int, refused: DataFrame | None) -> dict[str, int]:
        """Counts by reason."""
        if refused is None:
            return {}
        key = MarkerKey(f"{self.pipeline}-dead-letters", self.incarnation, self.term, 0)
        rows = refused.select(*letters.COLUMNS).repartition(1).sortWithinPartitions(*letters.ORDER)
        task = letters.dead_letter_task(self._target, key, unit, self.pipeline)
        account = rows.mapInArrow(task, letters.ACCOUNT_COLUMNS)
        counts: dict[str, int] = {}
        for row in account.collect():
            counts[row["reason"]] = counts.get(row["reason"], 0) + row["count"]
        return counts

    def decisions(self, unit: int, manifest: Manifest) -> DataFrame:
        """The ledger's rows of one unit."""
        return self.recorder.decisions(unit, manifest)

    def holds(self, manifest: Manifest) -> DataFrame | None:
        """The holds as pinned; None while there are none."""
        return self.lake.read(HOLDS, manifest.holds_version) if manifest.holds_version >= 0 else None
