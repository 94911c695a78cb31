"""One unit of work, an epoch of the stream or a scheduled run: pin, decide, record, publish, balance.

Invariant: decisions are in the ledger before the first message is published, and what is published is what the
ledger says: a unit that is started again decides nothing anew. Stream and batch differ only in the candidates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines import dead_letters as letters
from pipelines.books import Books
from pipelines.campaigns import Campaign
from pipelines.cancellations import check_cancellations
from pipelines.decided import Decided, count_few
from pipelines.edges.audience import AudiencePointer
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.control import ControlPoint, StoppedRuns, stopped_runs
from pipelines.edges.faultpoints import reach
from pipelines.edges.identity import lake_identity
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.memory import CANCELLATIONS, CONSENTS, SUPPRESSIONS, Memory
from pipelines.edges.objects import ObjectStore
from pipelines.edges.pauses import CampaignPauses
from pipelines.edges.plans import PlanStore
from pipelines.edges.progress import MarkerKey, count_partitions
from pipelines.edges.publisher import PublishTarget
from pipelines.edges.recorded import count_unit
from pipelines.edges.tables import Tables
from pipelines.edges.terms import Term, driver_name
from pipelines.fuse import UnitFuses
from pipelines.holds import Ending
from pipelines.links import describe_links, link_settings
from pipelines.match import check_conditions
from pipelines.publication import Publication
from pipelines.publishing import PublishPlan
from pipelines.recipients import PUBLISH_ORDER
from pipelines.recording import HOLDS, Recorder
from pipelines.releases import release_pipeline
from pipelines.work import WorkMaker
from schemas.tables import table
from schemas.topics import load_topics

AUDIENCE = table("audience")


class UnitRunner:
    """Runs the units of one pipeline. `incarnation` tells apart its lives, `term` is this driver's; see `MarkerKey`. A
    driver of several pipelines gives them one `memory`."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        pipeline: str,
        incarnation: str,
        term: Term,
        memory: Memory | None = None,
    ) -> None:
        self.spark = spark
        self.settings = settings
        self.pipeline = pipeline
        self.incarnation = incarnation
        self.term = term
        self.objects = ObjectStore(settings.lake)
        self.campaigns = CampaignStore(self.objects)
        self.manifests = ManifestStore(self.objects)
        self._pauses = CampaignPauses(self.objects)
        self._fuses = UnitFuses(self.objects, self._pauses)
        self._memory = memory or Memory(Tables(settings.lake))
        self.lake = DeltaLake(spark, settings.lake, self._memory.tables)
        self.app_id = f"{pipeline}/{incarnation}"
        self.recorder = Recorder(
            lake=self.lake,
            memory=self._memory,
            objects=self.objects,
            settings=settings,
            app_id=self.app_id,
            owner=release_pipeline(settings.stream.pipeline),
            driver=driver_name(spark),
            check_term=term.check,
        )
        self._checked: set[str] = set()
        self._links = link_settings(settings.links)
        for declared in (CONSENTS, LEDGER):
            self.lake.ensure(declared)
        self.lake.renew(HOLDS)
        self._identity = lake_identity(self.objects, self.lake)
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
        versions = self.pinned(manifest)
        work = make(self.spark, manifest, versions, lambda: self._audience(manifest))
        versions = {**work.versions, **versions}
        books = Books()
        campaigns = list(versions.values())
        decided = self.recorder.record(unit, manifest, is_new, work, campaigns, books)
        self.publish(unit, manifest, versions, decided, books)
        blown = self._fuses.mind(versions, books, work.runs) if decided.is_few else {}
        refused = self._publish_dead_letters(unit, work.dead_letters)
        return self.conclude(unit, manifest, books, refused, blown)

    def pinned(self, manifest: Manifest) -> dict[str, Campaign]:
        """The campaign versions of a manifest, by digest, as they were in force."""
        versions = {digest: self.campaigns.load(digest) for digest in manifest.campaigns.values()}
        for campaign_id in manifest.paused:
            digest = manifest.campaigns[campaign_id]
            versions[digest] = versions[digest].model_copy(update={"status": "paused"})
        return versions

    def _audience(self, manifest: Manifest) -> DataFrame:
        return self.lake.read(AUDIENCE, manifest.audience_version)

    def conclude(
        self,
        unit: int,
        manifest: Manifest,
        books: Books,
        refused: dict[str, int],
        blown: dict[str, str],
    ) -> dict[str, Any]:
        """Balance the books and write the result; `blown` says why campaigns were paused."""
        books.check(f"{self.pipeline} unit {unit}")
        result = {
            "pipeline": self.pipeline,
            "unit": unit,
            "clock": manifest.clock,
            "state": "cancelled" if books.excluded("cancelled_run") else "finished",
            "campaigns": books.to_dict(),
            "dead_letters": refused,
            **({"fuses": blown} if blown else {}),
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
        new = [self.campaigns.load(digest) for digest in sorted(unchecked)]
        check_conditions(self.spark, new)
        check_cancellations(self.spark, new)
        self._checked |= unchecked
        is_release = self.pipeline == self.recorder.owner
        stopped = stopped_runs(self.objects) if is_release else StoppedRuns([], [])
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
            cancelled_runs=stopped.cancelled,
            paused_runs=stopped.paused,
            paused_campaigns=self._pauses.with_declared(self.campaigns) if is_release else {},
            ledger_version=self.lake.version(LEDGER),
            send_partitions=self.settings.stream.send_partitions,
            campaigns=chosen,
            paused=self._pauses.of(chosen),
            messages_per_transaction=self.settings.publish.messages_per_transaction,
            publish_order=PUBLISH_ORDER,
            links=describe_links(self._links),
        )

    def publish(
        self,
        unit: int,
        manifest: Manifest,
        versions: dict[str, Campaign],
        decided: Decided,
        books: Books,
    ) -> None:
        reach("before-publish")
        plan = PublishPlan(
            target=self._target,
            pipeline=self.pipeline,
            incarnation=self.incarnation,
            lake=self._identity,
            term=self.term.number,
            unit=unit,
            clock=manifest.clock,
            campaigns=versions,
            channels=self.settings.channels,
            links=self._links,
            messages_per_transaction=manifest.messages_per_transaction,
            control=None if decided.is_few else ControlPoint(self.settings.lake, self.pipeline),
        )
        publication = Publication(self.lake, plan, self.app_id)
        corrections: list[dict[str, Any]] = []
        if decided.is_few:
            sent, customers = decided.sent(), decided.customers
            if customers is None:
                customers = self.recorder.customers(sent["customer_id"], manifest)
            corrected = publication.few(sent, customers, books)
            if corrected is not None:
                corrections = count_few(corrected)
        else:
            PlanStore(self.objects).record(self.app_id, unit, manifest, decided.first())
            messages = sum(row["count"] for row in decided.first() if row["decision"] == "sent")
            if publication.many(manifest, messages, books):
                counts = count_unit(self.lake.tables, manifest)
                corrections = [row for row in counts if row["stage"] == "render"]
        books.add_decisions(decided.first())
        books.add_decisions(corrections)

    def _publish_dead_letters(self, unit: int, refused: DataFrame | None) -> dict[str, int]:
        """Counts by reason."""
        if refused is None:
            return {}
        key = MarkerKey(
            f"{self.pipeline}-dead-letters", self.incarnation, self.term.number, 0, self._identity
        )
        rows = refused.select(*letters.COLUMNS).repartition(1).sortWithinPartitions(*letters.ORDER)
        task = letters.dead_letter_task(self._target, key, unit, self.pipeline)
        account = rows.mapInArrow(task, letters.ACCOUNT_COLUMNS)
        counts: dict[str, int] = {}
        for row in account.collect():
            counts[row["reason"]] = counts.get(row["reason"], 0) + row["count"]
        return counts

    def open_holds(self, manifest: Manifest, ending: Ending) -> pa.Table:
        """The open holds that may be ended, as pinned or a little later."""
        return self._memory.holds.of(release_pipeline(self.pipeline), ending, manifest.holds_version)
