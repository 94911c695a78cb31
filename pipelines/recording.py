"""From candidates to recorded decisions: what the lake knows of them is joined, the gates are asked, rows appended.

Invariant: changes of consent and suppression that a unit brings are recorded, and count, before its candidates are
decided; each append happens once however often the unit is started.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.books import Books
from pipelines.consent import join_consents
from pipelines.decide import decide
from pipelines.edges.faultpoints import reach
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest
from pipelines.match import attach_customers
from pipelines.repeats import mark_repeats
from pipelines.suppression import join_suppressions
from pipelines.work import Work
from schemas.tables import Table, table

CONSENTS, SUPPRESSIONS, LEDGER = table("consents"), table("suppressions"), table("ledger")


class Recorder:
    """Records the decisions of one pipeline's units; `app_id` names its incarnation in Delta's transactions."""

    def __init__(self, lake: DeltaLake, app_id: str) -> None:
        self._lake = lake
        self._app_id = app_id

    def record(
        self, unit: int, manifest: Manifest, is_new: bool, work: Work, audience: DataFrame, books: Books
    ) -> None:
        """Count the candidates into the books, and decide about them unless an earlier attempt has.

        `is_new`: the manifest was pinned just now, so that nothing of the unit can have been recorded before."""
        consents = self._change(CONSENTS, manifest.consents_version, work.consent_changes, unit)
        suppressions = self._change(
            SUPPRESSIONS, manifest.suppressions_version, work.suppression_changes, unit
        )
        assert consents is not None  # the runner has made that table
        reach("after-consents")
        # An epoch's candidates are few, and used in many joins: planned once, held until the decisions are written.
        candidates = work.candidates if work.is_large else work.candidates.persist()
        try:
            counted = candidates.groupBy("campaign_id", "channel").count()
            books.add_considered([row.asDict() for row in counted.collect()])
            if not is_new and self._lake.has_appended(LEDGER, f"{self._app_id}/decide", unit):
                return
            if work.is_large:
                known = candidates.withColumn("is_repeated", F.lit(False))
            else:
                earlier = self._lake.read(LEDGER, manifest.ledger_version)
                known = mark_repeats(attach_customers(candidates, audience), earlier)
            known = join_consents(known, consents, manifest.as_of)
            known = join_suppressions(known, suppressions, work.is_large)
            decisions = decide(
                known, F.lit(manifest.decided_at), manifest.pipeline, unit, manifest.audience_version
            )
            self._lake.append_once(LEDGER, decisions, f"{self._app_id}/decide", unit)
            reach("after-ledger")
        finally:
            work.candidates.unpersist()

    def _change(self, changed: Table, version: int, changes: DataFrame | None, unit: int) -> DataFrame | None:
        """Record what the unit changes in a table; returns the table as pinned, with the changes, None when there is
        neither."""
        pinned = self._lake.read(changed, version) if version >= 0 else None
        if changes is None:
            return pinned
        self._lake.append_once(changed, changes, self._app_id, unit)
        return changes if pinned is None else pinned.unionByName(changes)
