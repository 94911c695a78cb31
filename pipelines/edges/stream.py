"""The running stream: Kafka in through Spark's own source, one unit per epoch, an orderly end.

Invariant: an epoch is a unit of the pipeline's incarnation, which is the id Spark keeps in the checkpoint: a new
checkpoint is a new incarnation, so its epochs are never mistaken for those of an older one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from conf import Settings
from pipelines.decode import EVENTS, TRIGGERS, decode_records
from pipelines.edges.backlog import Backlog
from pipelines.edges.bounds import find_bounds
from pipelines.edges.checkpoint import Checkpoint, Ledger
from pipelines.edges.faultpoints import now
from pipelines.edges.few import session_for_few
from pipelines.edges.heartbeat import Heartbeat
from pipelines.edges.identity import first_ledger
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.memory import Memory
from pipelines.edges.objects import ObjectStore
from pipelines.edges.recovery import find_unfinished, finish
from pipelines.edges.releasing import HoldReleaser
from pipelines.edges.tables import Tables
from pipelines.edges.terms import Term, driver_name
from pipelines.epochs import make_epoch_work
from pipelines.units import UnitRunner

#: How often the driver looks whether it shall stop; an idle stream ends within this time.
_POLL_S = 0.2
#: How often it looks for holds that have fallen due: one request to S3 while there are none.
_LOOK_S = 1.0


class TriggeredStream:
    """The stream of triggers and customer events."""

    def __init__(
        self, spark: SparkSession, settings: Settings, report: Callable[[dict[str, object]], None]
    ) -> None:
        self._spark = session_for_few(spark)
        self._settings = settings
        self._report = report
        self._runner: UnitRunner | None = None
        self._term: Term | None = None
        self._failure: BaseException | None = None
        # Held while an epoch or a release is worked on, so that they do not meet and stopping waits for their end.
        self._epoch = threading.Lock()
        self._is_stopping = threading.Event()
        self._releaser: HoldReleaser | None = None
        self._backlog: Backlog | None = None
        self._looked_at = 0.0
        self._memory = Memory(Tables(settings.lake))

    def run(self, available_now: bool, stopping: threading.Event) -> None:
        """Until `stopping` is set, or, with `available_now`, until what is in the topics now has been worked on.
        Raises what stopped an epoch, as the unit raised it."""
        query = self._start(available_now)
        is_stopped = True
        try:
            # Not awaitTermination, which raises Spark's own account of a failure before ours can be.
            with Heartbeat(ObjectStore(self._settings.lake), self._settings.stream.pipeline):
                while query.isActive and not stopping.wait(_POLL_S):
                    self._release_due()
            is_stopped = query.isActive
        finally:
            self._is_stopping.set()
            with self._epoch:
                query.stop()
        if self._failure is not None:
            raise self._failure
        error = query.exception()
        if error is not None and not is_stopped:
            raise error
        while available_now and not is_stopped and self._release_due():
            pass

    def _start(self, available_now: bool) -> StreamingQuery:
        checkpoint = self._take_over(ObjectStore(self._settings.lake))
        waiting = find_bounds(self._settings.kafka.librdkafka(), (TRIGGERS.topic, EVENTS.topic))
        self._backlog = Backlog(waiting, checkpoint.reached)
        stream = self._settings.stream
        source = self._spark.readStream.format("kafka").options(**self._settings.kafka.spark_source())
        records = (
            source.option("subscribe", f"{TRIGGERS.topic},{EVENTS.topic}")
            .option("startingOffsets", "earliest")
            # What a producer has taken back, a replay of dead letters that was killed among them, never happened.
            .option("kafka.isolation.level", "read_committed")
            .option("maxOffsetsPerTrigger", str(stream.max_offsets_per_epoch))
            .option("failOnDataLoss", "true")
            .load()
        )
        writer = (
            # Once for the query: in each epoch anew, its hundreds of expressions cost a second.
            decode_records(records)
            .writeStream.queryName(stream.pipeline)
            .option("checkpointLocation", stream.checkpoint)
            .foreachBatch(self._work_on)
        )
        if available_now:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{stream.trigger_interval_ms} milliseconds").start()

    def _take_over(self, objects: ObjectStore) -> Checkpoint:
        """Claim the pipeline, and publish what an earlier life of it has recorded and not published."""
        stream = self._settings.stream
        manifests = ManifestStore(objects)
        checkpoint = Checkpoint(self._spark, stream.checkpoint)
        lake = DeltaLake(self._spark, self._settings.lake, self._memory.tables)
        version = lake.version(LEDGER)
        ledger = Ledger(version, lake.table_id(LEDGER) if version >= 0 else None, first_ledger(objects))
        current = checkpoint.incarnation(manifests, stream.pipeline, ledger)
        self._term = Term(objects, stream.pipeline, driver_name(self._spark))
        lake.ensure(LEDGER)
        checkpoint.claim(stream.pipeline, lake.table_id(LEDGER))
        unfinished = find_unfinished(lake, manifests, stream.pipeline, current)
        for incarnation, unit in unfinished:
            self._report(finish(self._make_runner(stream.pipeline, incarnation), unit))
        self._releaser = HoldReleaser(lake, objects, self._settings, self._make_runner)
        return checkpoint

    def _work_on(self, records: DataFrame, epoch: int) -> None:
        # Who stops the query has the lock and waits for this thread: waiting for the lock in turn would never end.
        while not self._epoch.acquire(timeout=_POLL_S):
            if self._is_stopping.is_set():
                raise _StoppedError(f"epoch {epoch} is left to the next start")
        try:
            self._run_epoch(records, epoch)
        except BaseException as error:
            # Spark turns it into text on its way through the JVM; the caller needs the exception itself.
            self._failure = error
            raise
        finally:
            self._epoch.release()

    def _release_due(self) -> bool:
        """Release holds that are due, unless an epoch is at work or to come; whether there were any."""
        since = time.monotonic() - self._looked_at
        if (since < _LOOK_S and not self._is_stopping.is_set()) or not self._epoch.acquire(blocking=False):
            return False
        try:
            assert self._releaser is not None
            assert self._term is not None
            assert self._backlog is not None
            clock = now()
            if not self._backlog.is_worked_on() or not self._releaser.is_due(clock):
                return False
            self._term.check()
            self._report(self._releaser.release(clock))
            return True
        finally:
            self._looked_at = time.monotonic()
            self._epoch.release()

    def _run_epoch(self, records: DataFrame, epoch: int) -> None:
        runner = self._runner_for(records.sparkSession)
        assert self._term is not None
        self._term.check()
        decoded = records.coalesce(records.sparkSession.sparkContext.defaultParallelism).persist()
        try:
            result = runner.run(
                epoch,
                now(),
                None,
                lambda spark, manifest, versions, _: make_epoch_work(
                    decoded, spark, manifest, versions, self._settings.decide, runner.open_holds
                ),
            )
        finally:
            decoded.unpersist()
        # An older driver ends here, before Spark's log of commits stops the younger one, which works on the same epoch.
        self._term.check()
        self._report(result)

    def _runner_for(self, spark: SparkSession) -> UnitRunner:
        """Made in the first epoch: before it a new query has no id."""
        if self._runner is None:
            incarnation = spark.sparkContext.getLocalProperty("sql.streaming.queryId")
            assert incarnation is not None
            self._runner = self._make_runner(self._settings.stream.pipeline, incarnation, spark)
        return self._runner

    def _make_runner(self, pipeline: str, incarnation: str, spark: SparkSession | None = None) -> UnitRunner:
        assert self._term is not None
        return UnitRunner(
            spark or self._spark, self._settings, pipeline, incarnation, self._term, self._memory
        )


class _StoppedError(Exception):
    """An epoch that began while the query was being stopped."""
