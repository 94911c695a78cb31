"""What the lake knows of a unit's candidates, the past apart: customer, repeats, consent, suppressions, cancellations.

Invariant: the joins are the same for few candidates and for many; only where their other side comes from differs: the
driver's memory, or the tables at the versions that the manifest pins.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.cancellations import cancel_runs, has_cancel_rules, join_cancellations
from pipelines.consent import join_consents
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest
from pipelines.edges.memory import CANCELLATIONS, CONSENTS, SUPPRESSIONS, Memory
from pipelines.edges.rates import free_at_column
from pipelines.repeats import mark_repeats
from pipelines.suppression import join_suppressions
from schemas.tables import Table

Changes = Mapping[str, DataFrame | None]


def know_few(
    spark: SparkSession, candidates: pa.Table, manifest: Manifest, campaigns: list[Campaign], memory: Memory
) -> DataFrame:
    """The candidates with what is known of them. The changes that the unit itself brings are in the tables already."""
    customers = memory.customers.find(candidates["customer_id"].combine_chunks(), manifest.audience_version)
    known = candidates.append_column("customer", customers)
    # Of the newest ledger: a driver on another checkpoint may have sent the same since this unit was pinned.
    known = mark_repeats(known, memory.seen.among(known["message_id"].combine_chunks()))
    changes = {t.name: memory.changes(t, known, version) for t, version in _pinned(manifest)}
    frames = {
        name: spark.createDataFrame(rows) if rows.num_rows or name == CONSENTS.name else None
        for name, rows in changes.items()
    }
    return _join_changes(spark.createDataFrame(known), frames, manifest, campaigns, is_large=False)


def know_many(
    lake: DeltaLake, candidates: DataFrame, manifest: Manifest, campaigns: list[Campaign]
) -> DataFrame:
    """The candidates of a run, which have their customer, with what is known of them. None of them repeats an earlier
    one, because the run id is part of the message id."""
    changes = {t.name: lake.read(t, version) if version >= 0 else None for t, version in _pinned(manifest)}
    known = candidates.withColumn("is_repeated", F.lit(False))
    return _join_changes(known, changes, manifest, campaigns, is_large=True)


def _pinned(manifest: Manifest) -> tuple[tuple[Table, int], ...]:
    return (
        (CONSENTS, manifest.consents_version),
        (SUPPRESSIONS, manifest.suppressions_version),
        (CANCELLATIONS, manifest.cancellations_version),
    )


def _join_changes(
    known: DataFrame, changes: Changes, manifest: Manifest, campaigns: list[Campaign], is_large: bool
) -> DataFrame:
    consents = changes[CONSENTS.name]
    assert consents is not None  # the runner has made that table
    known = join_consents(known, consents, manifest.as_of)
    known = join_suppressions(known, changes[SUPPRESSIONS.name], is_large)
    if has_cancel_rules(campaigns):
        known = join_cancellations(known, changes[CANCELLATIONS.name])
    if manifest.cancelled_runs:
        known = cancel_runs(known, manifest.cancelled_runs)
    if manifest.rate_free_at:
        known = known.withColumn("rate_free_at", free_at_column(manifest.rate_free_at))
    return known
