"""From candidates to recorded decisions: what the lake knows of them is joined, the gates are asked, rows appended.

Invariant: changes of consent and suppression that a unit brings are recorded, and count, before its candidates are
decided; each append happens once however often the unit is started. Where the past decides (caps, re-entry) the ledger
is read and appended to within one turn, so that no other unit's decisions come between. The few candidates of an epoch
are decided on the driver, those of a run on the executors, by the same function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import Settings
from pipelines.books import Books
from pipelines.campaigns import Campaign
from pipelines.cancellations import cancel_runs, has_cancel_rules, join_cancellations
from pipelines.consent import join_consents
from pipelines.decide import Unit, decide
from pipelines.decide.frames import decide_frame
from pipelines.decided import Decided, counted
from pipelines.edges.faultpoints import reach
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.rates import Rates, free_at_column
from pipelines.edges.turns import APP_ID, Turn, Turns
from pipelines.history import Asked, asked_by, join_reentry, join_sent, select_sent
from pipelines.holds import closed_rows, open_rows
from pipelines.match import attach_customers
from pipelines.repeats import mark_repeats
from pipelines.suppression import join_suppressions
from pipelines.work import Work
from schemas.tables import Table, table

CONSENTS, SUPPRESSIONS, LEDGER = table("consents"), table("suppressions"), table("ledger")
CANCELLATIONS, HOLDS = table("cancellations"), table("holds")


@dataclass(frozen=True)
class Recorder:
    """Records the decisions of one pipeline's units.

    `app_id` names its incarnation in Delta's transactions; `owner` is the pipeline that releases what is held; `driver`
    tells this driver from all others."""

    lake: DeltaLake
    objects: ObjectStore
    settings: Settings
    app_id: str
    owner: str
    driver: str

    def record(
        self,
        unit: int,
        manifest: Manifest,
        is_new: bool,
        work: Work,
        campaigns: list[Campaign],
        audience: DataFrame,
        books: Books,
    ) -> Decided:
        """Count the candidates into the books, and decide about them unless an earlier attempt has.

        `is_new`: the manifest was pinned just now, so that nothing of the unit can have been recorded before."""
        asked = asked_by(campaigns, self.settings.decide)
        overlays = self._record_changes(unit, manifest, work)
        reach("after-consents")
        decided = None
        work = self._held_by_driver(work)
        if is_new or not self._is_recorded(unit, manifest):
            known = self._join(manifest, work, campaigns, audience, overlays)
            if asked.is_anything:
                decided = self._decide_in_turn(unit, manifest, known, work, asked)
            else:
                decided = self._decide(unit, manifest, known, None, work, asked)
                self._append(LEDGER, decided.rows, f"{self.app_id}/decide", unit)
            reach("after-ledger")
        if decided is None or not decided.is_few:
            decided = self.recorded(unit, manifest, work.is_large)
        books.add_considered(counted(work.candidates, "campaign_id", "channel"))
        self._note_rates(manifest, campaigns, decided)
        if asked.may_hold or work.has_holds:
            self.open_holds(unit, decided, work.candidates if work.has_holds else None)
        return decided

    def recorded(self, unit: int, manifest: Manifest, is_large: bool) -> Decided:
        """The unit's decisions as the ledger has them."""
        rows = self.decisions(unit, manifest)
        return Decided(rows if is_large else rows.toArrow())

    def _held_by_driver(self, work: Work) -> Work:
        """Few candidates are worked out once, and not again in each join that they take part in."""
        if work.is_large:
            return work
        return replace(work, candidates=self.lake.spark.createDataFrame(work.candidates.toArrow()))

    def _record_changes(self, unit: int, manifest: Manifest, work: Work) -> dict[str, DataFrame | None]:
        """Append what the unit changes; returns each table as pinned, with the changes."""
        return {
            changed.name: self._change(changed, version, changes, unit)
            for changed, version, changes in (
                (CONSENTS, manifest.consents_version, work.consent_changes),
                (SUPPRESSIONS, manifest.suppressions_version, work.suppression_changes),
                (CANCELLATIONS, manifest.cancellations_version, work.cancellations),
            )
        }

    def _change(self, changed: Table, version: int, changes: DataFrame | None, unit: int) -> DataFrame | None:
        pinned = self.lake.read(changed, version) if version >= 0 else None
        if changes is None:
            return pinned
        self._append(changed, changes.toArrow(), self.app_id, unit)
        return changes if pinned is None else pinned.unionByName(changes)

    def _append(self, where: Table, rows: DataFrame | pa.Table, app_id: str, unit: int) -> None:
        if isinstance(rows, DataFrame):
            self.lake.append_once(where, rows, app_id, unit)
        elif rows.num_rows:
            self.lake.append_few(where, rows, app_id, unit)

    def _is_recorded(self, unit: int, manifest: Manifest) -> bool:
        """Whether an earlier attempt has decided. A unit whose decisions were made in a turn has no transaction of its
        own: its rows say it."""
        own = f"{self.app_id}/decide"
        return self.lake.has_appended(LEDGER, own, unit) or not self.decisions(unit, manifest).isEmpty()

    def _join(
        self,
        manifest: Manifest,
        work: Work,
        campaigns: list[Campaign],
        audience: DataFrame,
        overlays: dict[str, DataFrame | None],
    ) -> DataFrame:
        """What is known of the candidates, the past apart."""
        if work.is_large:
            known = work.candidates.withColumn("is_repeated", F.lit(False))
        else:
            earlier = self.lake.read(LEDGER, manifest.ledger_version)
            known = mark_repeats(attach_customers(work.candidates, audience), earlier)
        consents = overlays[CONSENTS.name]
        assert consents is not None  # the runner has made that table
        known = join_consents(known, consents, manifest.as_of)
        known = join_suppressions(known, overlays[SUPPRESSIONS.name], work.is_large)
        if has_cancel_rules(campaigns):
            known = join_cancellations(known, overlays[CANCELLATIONS.name])
        if manifest.cancelled_runs:
            known = cancel_runs(known, manifest.cancelled_runs)
        if manifest.rate_free_at:
            known = known.withColumn("rate_free_at", free_at_column(manifest.rate_free_at))
        return known

    def _decide(
        self,
        unit: int,
        manifest: Manifest,
        known: DataFrame,
        ledger: DataFrame | None,
        work: Work,
        asked: Asked,
    ) -> Decided:
        """The decisions; `ledger` as of the unit's turn where the past is asked."""
        clock = manifest.decided_at
        if ledger is not None:
            customers = None if work.is_large else known.select("customer_id")
            if asked.reentry:
                since = None if asked.reentry_span is None else clock - asked.reentry_span
                known = join_reentry(known, select_sent(ledger, since, customers), asked.reentry)
            if asked.caps is not None:
                known = join_sent(known, select_sent(ledger, clock - asked.caps, customers), work.is_large)
        about = Unit(manifest.pipeline, unit, clock, manifest.audience_version, work.policy)
        if work.is_large:
            return Decided(decide_frame(known, about))
        candidates = known.toArrow()
        return Decided(decide(candidates, about), candidates.select(["customer_id", "customer"]))

    def _decide_in_turn(
        self, unit: int, manifest: Manifest, known: DataFrame, work: Work, asked: Asked
    ) -> Decided | None:
        """None when somebody else has decided the unit meanwhile."""
        while True:
            with self._turn(unit) as (turn, is_contested):
                if is_contested and not self.decisions(unit, manifest).isEmpty():
                    return None
                ledger = self.lake.read(LEDGER, self.lake.version(LEDGER))
                decided = self._decide(unit, manifest, known, ledger, work, asked)
                reach("in-turn")
                self._append(LEDGER, decided.rows, APP_ID, turn.version)
                is_ours = self._turns().is_latest(turn)
            if is_ours:
                return decided
            # Taken over while it was slow: whether Delta has skipped the append, only the rows say.
            if not self.decisions(unit, manifest).isEmpty():
                return None

    @contextmanager
    def _turn(self, unit: int) -> Iterator[tuple[Turn, bool]]:
        """A turn, and whether somebody may have decided the unit already: an earlier attempt, or a rival driver."""
        with self._turns().take() as turn:
            if turn.fence is not None:
                self.lake.append_nothing(LEDGER, APP_ID, turn.fence)
            yield turn, ManifestStore(self.objects).begin_deciding(self.app_id, unit)

    def _turns(self) -> Turns:
        return Turns(self.objects, self.app_id.partition("/")[0], self.driver)

    def _note_rates(self, manifest: Manifest, campaigns: list[Campaign], decided: Decided) -> None:
        """Note how far the unit has used up delivery rates. What a release sends had its place before."""
        rated = {campaign.campaign_id: campaign for campaign in campaigns if campaign.rate}
        if not rated or manifest.pipeline == self.owner:
            return
        for campaign_id, messages, last in decided.placed(sorted(rated)):
            clock = manifest.decided_at
            free_at = manifest.rate_free_at.get(campaign_id, manifest.clock)
            start = max(clock, datetime.fromisoformat(free_at))
            Rates(self.objects).take(rated[campaign_id], start, messages, last)

    def open_holds(self, unit: int, decided: Decided, closed: DataFrame | None = None) -> None:
        """Append the unit's holds, from the ledger, and close those of the candidates `closed`."""
        rows = open_rows(decided.frame(self.lake.spark), self.owner)
        if closed is not None:
            rows = rows.unionByName(closed_rows(closed, self.owner))
        elif not decided.has_held():
            return
        self._append(HOLDS, rows.toArrow() if decided.is_few else rows, self.app_id, unit)
        reach("after-holds")

    def decisions(self, unit: int, manifest: Manifest) -> DataFrame:
        """The ledger's rows of one unit of this pipeline."""
        return unit_rows(self.lake, manifest.pipeline, unit, manifest)


def unit_rows(lake: DeltaLake, pipeline: str, unit: int, manifest: Manifest) -> DataFrame:
    """The ledger's rows of one unit. Its clock tells it from the unit of the same number in another incarnation; the
    date lets Delta skip all other days."""
    ledger = lake.read(LEDGER).where(F.col("decided_date") == F.lit(manifest.decided_at.date()))
    is_own = (F.col("pipeline") == pipeline) & (F.col("unit") == unit)
    return ledger.where(is_own & (F.col("decided_at") == F.lit(manifest.decided_at)))
