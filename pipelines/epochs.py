"""The stream's edge of the shared functions: the records of one epoch become the work of one unit.

Invariant: consent changes of an epoch apply before its triggers, whatever their order in Kafka.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.campaigns.hours import NO_RULES
from pipelines.cancellations import CANCELLATIONS, cancelled_by, cancelling_types, select_cancellations
from pipelines.consent import CONSENT_EVENT, select_consent_changes, select_unreadable_changes
from pipelines.decode import select_dead_letters, select_events, select_triggers
from pipelines.edges.manifests import Manifest
from pipelines.holds import HOLDS, Ending, match_holds
from pipelines.match import campaigns_frame, identify_candidates, match_events, match_triggers
from pipelines.suppression import (
    ERASURE_EVENT,
    SUPPRESSION_EVENT,
    select_suppression_changes,
    select_unreadable_suppressions,
)
from pipelines.work import Work

#: In place of the type of a refused record; no event's type is empty.
_REFUSED = ""
#: Events that mean something to Carillon itself, whatever campaigns there are.
_KNOWN_EVENTS = (CONSENT_EVENT, SUPPRESSION_EVENT, ERASURE_EVENT)


#: Reads the open holds that may be ended, as the manifest pins them.
HoldReader = Callable[[Manifest, Ending], pa.Table]


@dataclass(frozen=True)
class _Said:
    """What the events of an epoch say beside firing campaigns: the types there are, and what these change."""

    types: frozenset[str]
    is_any_refused: bool
    cancellations: DataFrame | None

    @property
    def ends_waiting(self) -> bool:
        """Whether anything can end a waiting message."""
        return self.cancellations is not None or ERASURE_EVENT in self.types


def make_epoch_work(
    decoded: DataFrame,
    spark: SparkSession,
    manifest: Manifest,
    versions: dict[str, Campaign],
    house: Decide = NO_RULES,
    open_holds: HoldReader = lambda *_: HOLDS.arrow_schema().empty_table(),
) -> Work:
    """The work of one epoch; `decoded` as `decode_records` returns it, persisted."""
    campaigns = sorted(versions.items())
    frame = campaigns_frame(spark, campaigns, house)
    events = select_events(decoded)
    matched = match_triggers(select_triggers(decoded), frame)
    fired = match_events(events, campaigns, house)
    if fired is not None:
        matched = matched.unionByName(fired)
    # A word from the future counts as from now: by a wrong clock it would outlast every later one until its time.
    words = events.withColumn("occurred_at", F.least("occurred_at", F.lit(manifest.decided_at)))
    said = _listen(decoded, words, list(versions.values()))
    ended = _end_waiting(words, said, open_holds, manifest) if said.ends_waiting else None
    if ended is not None:
        holds = match_holds(spark.createDataFrame(ended), frame, released_at=None)
        matched = matched.unionByName(holds, allowMissingColumns=True)
    refused = [select_dead_letters(decoded)] if said.is_any_refused else []
    consent_changes = suppression_changes = None
    if CONSENT_EVENT in said.types:
        consent_changes = select_consent_changes(words, manifest.pipeline, manifest.unit)
        refused.append(select_unreadable_changes(events))
    if said.types & {SUPPRESSION_EVENT, ERASURE_EVENT}:
        suppression_changes = select_suppression_changes(words, manifest.pipeline)
        refused.append(select_unreadable_suppressions(events))
    candidates = identify_candidates(matched, manifest.pipeline, manifest.send_partitions)
    return Work(
        candidates=candidates.coalesce(spark.sparkContext.defaultParallelism),
        consent_changes=consent_changes,
        suppression_changes=suppression_changes,
        cancellations=said.cancellations,
        dead_letters=reduce(DataFrame.unionByName, refused) if refused else None,
        has_holds=ended is not None,
    )


def _listen(decoded: DataFrame, events: DataFrame, campaigns: list[Campaign]) -> _Said:
    """One look at what is there: most epochs change no consent, end nobody's wait and refuse nothing."""
    cancelling = cancelling_types(campaigns)
    asked = sorted({*_KNOWN_EVENTS, *cancelling})
    types = events.where(F.col("type").isin(*asked)).select("type")
    faults = decoded.where(F.col("fault").isNotNull()).select(F.lit(_REFUSED).alias("type"))
    seen = frozenset(row["type"] for row in types.unionByName(faults).distinct().collect())
    found = seen - {_REFUSED}
    cancellations = select_cancellations(events, campaigns) if found & cancelling else None
    return _Said(found, _REFUSED in seen, cancellations)


def _end_waiting(
    events: DataFrame, said: _Said, open_holds: HoldReader, manifest: Manifest
) -> pa.Table | None:
    """The open holds that events of this epoch end: of erased customers, and cancelled ones. None when it ends none."""
    dropping = CANCELLATIONS.arrow_schema().empty_table()
    if said.cancellations is not None:
        dropping = said.cancellations.toArrow()
    erased = []
    if ERASURE_EVENT in said.types:
        named = events.where(F.col("type") == ERASURE_EVENT).select("customer_id").distinct()
        erased = [row["customer_id"] for row in named.collect()]
    cancelling, campaigns = (set(dropping[name].to_pylist()) for name in ("customer_id", "campaign_id"))
    found = open_holds(manifest, Ending(erased, cancelling, campaigns))
    if not found.num_rows:
        return None
    is_erased = pc.is_in(found["customer_id"], value_set=pa.array(erased, pa.string()))
    is_cancelled = pc.is_valid(cancelled_by(found, dropping, manifest.decided_at))
    ended = found.filter(pc.or_(is_erased, is_cancelled))
    return ended if ended.num_rows else None
