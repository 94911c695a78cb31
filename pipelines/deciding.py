"""The tasks of a run decide: of each bucket of customers they put together what is known, and ask the gates.

Invariant: the words about a customer that count are those of the tables as the manifest pins them, and of the ledger as
it is in the run's turn; they are attached by the functions that an epoch's candidates meet. It reads tables and writes
none: what becomes of the decisions is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyspark.sql import DataFrame

from pipelines.consent import granted_of
from pipelines.considered import MEMBERS, Considered, RunScope
from pipelines.decide import Unit
from pipelines.decide.decisions import decide_unstaged
from pipelines.decide.rows import CUSTOMER_FIELDS
from pipelines.decide.timing import TIMESTAMP
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest
from pipelines.edges.recorded import SENT
from pipelines.edges.scans import TableScan
from pipelines.history import CAPPED_FROM, sent_before
from pipelines.pieces import Side, pieces_of
from pipelines.scatter import Spread, gather
from pipelines.suppression import Suppressions
from schemas.tables import table

AUDIENCE, CONSENTS, SUPPRESSIONS, LEDGER = map(table, ("audience", "consents", "suppressions", "ledger"))

#: Of the pinned snapshot.
_CUSTOMERS = (*CUSTOMER_FIELDS, "consents")
#: Of the words since.
_CONSENTS = ("customer_id", "channel", "topic", "granted", "occurred_at")


@dataclass(frozen=True)
class RunDecisions:
    """Decides about the customers of one bucket after the other; travels to the executors. `free_at`: from when on the
    campaign's delivery rate has room."""

    scope: RunScope
    unit: Unit
    as_of: datetime
    free_at: datetime | None
    schemas: tuple[pa.Schema, ...]
    suppressions: Side

    def __call__(self, pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Grain: one row per decision_id, in the columns of `STAGED`."""
        suppressed = Suppressions(self.suppressions.scan.read_all(self.suppressions.parts))
        for customers, consents, sent, stopped, *members in gather(pieces, self.schemas):
            candidates = self.scope.candidates(customers, members[0] if members else None)
            if candidates.num_rows:
                count, ids = candidates.num_rows, candidates["customer_id"].combine_chunks()
                known = {
                    "granted": granted_of(candidates, consents, self.as_of),
                    "suppressed_by": suppressed.said_of(candidates),
                    # The run id is part of the message id: none repeats an earlier one.
                    "is_repeated": pa.repeat(False, count),
                    "sent_before": sent_before(ids, sent, stopped),
                    "rate_free_at": pa.repeat(pa.scalar(self.free_at, TIMESTAMP), count),
                }
                for name, column in known.items():
                    candidates = candidates.append_column(name, column)
                yield decide_unstaged(candidates, self.unit)[0]


def gather_run(
    lake: DeltaLake,
    considered: Considered,
    manifest: Manifest,
    unit: Unit,
    since: datetime | None,
    free_at: datetime | None,
) -> tuple[DataFrame, RunDecisions]:
    """The pieces of all that a run's decisions depend on, and the task that decides about them. `since`: from which day
    on earlier messages count, as the newest ledger has them; None when no rule asks for any."""
    days = () if since is None else (("decided_date", since.date()),)
    where, tables = lake.settings, lake.tables
    scans = (
        (TableScan(where, AUDIENCE, _CUSTOMERS), manifest.audience_version),
        (TableScan(where, CONSENTS, _CONSENTS), manifest.consents_version),
        (TableScan(where, LEDGER, CAPPED_FROM, SENT, days), None),
        (TableScan(where, LEDGER, ("customer_id", "decision_id"), (("stage", "render"),), days), None),
    )
    found = [
        ([], 0) if scan.table is LEDGER and since is None else tables.parts(scan, version)
        for scan, version in scans
    ]
    sides = [Side(scan, parts) for (scan, _), (parts, _) in zip(scans, found, strict=True)]
    spread = Spread.of(found[0][1], manifest.send_partitions)
    pieces = pieces_of(lake.spark, sides, spread, considered.members)
    suppressions = TableScan(where, SUPPRESSIONS, SUPPRESSIONS.column_names)
    pinned = manifest.suppressions_version
    told = tables.parts(suppressions, pinned)[0] if pinned >= 0 else []
    schemas = [side.scan.schema for side in sides] + ([] if considered.members is None else [MEMBERS])
    deciding = RunDecisions(
        considered.scope, unit, manifest.as_of, free_at, tuple(schemas), Side(suppressions, told)
    )
    return pieces, deciding
