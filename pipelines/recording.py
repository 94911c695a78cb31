"""From candidates to recorded decisions: what the lake knows of them is joined, the gates are asked, rows appended.

Invariant: changes of consent and suppression that a unit brings are recorded, and count, before its candidates are
decided; each append happens once however often the unit is started. Where the past decides (caps, re-entry) the ledger
is read and appended to within one turn, so that no other unit's decisions come between. The few candidates of an epoch
are decided on the driver, those of a run on the executors, by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from conf import Settings
from pipelines.books import Books
from pipelines.campaigns import Campaign
from pipelines.considered import Considered, campaigns_of
from pipelines.decide import Unit, decide
from pipelines.decide.frames import Finish, decide_frame
from pipelines.decided import Decided, counted
from pipelines.deciding import gather_run
from pipelines.edges.datafiles import FILE_COLUMNS, FileTask
from pipelines.edges.faultpoints import reach
from pipelines.edges.known import know_few
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER, day_of, few_rows
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.memory import CANCELLATIONS, CONSENTS, SUPPRESSIONS, Memory
from pipelines.edges.objects import ObjectStore
from pipelines.edges.rates import Rates, free_at_of, newly_placed, rated_among
from pipelines.edges.recorded import count_unit, held_by_unit, is_recorded
from pipelines.edges.turns import APP_ID, Turn, Turns
from pipelines.history import Asked, asked_by, attach_past
from pipelines.holds import OPENED_FROM, closed_rows, open_rows
from pipelines.repeats import find_seen, mark_repeats
from pipelines.work import Work
from schemas.tables import Table, table

HOLDS = table("holds")


@dataclass(frozen=True)
class Recorder:
    """Records the decisions of one pipeline's units.

    `app_id` names its incarnation in Delta's transactions; `owner` is the pipeline that releases what is held; `driver`
    tells this driver from all others; `check_term` raises when a younger one has taken over."""

    lake: DeltaLake
    memory: Memory
    objects: ObjectStore
    settings: Settings
    app_id: str
    owner: str
    driver: str
    check_term: Callable[[], None]

    def record(
        self,
        unit: int,
        manifest: Manifest,
        is_new: bool,
        work: Work,
        campaigns: list[Campaign],
        books: Books,
    ) -> Decided:
        """Count the candidates into the books, and decide about them unless an earlier attempt has.

        `is_new`: the manifest was pinned just now, so that nothing of the unit can have been recorded before."""
        asked = asked_by(campaigns, self.settings.decide)
        self._record_changes(unit, work)
        reach("after-consents")
        given = work.candidates
        candidates = given if isinstance(given, Considered) else given.toArrow()
        # An epoch pins every active campaign; only those that its candidates are of make it wait for its turn.
        needs_turn = asked_by(campaigns_of(candidates, campaigns), self.settings.decide).is_anything
        rated = rated_among(candidates, campaigns)
        made: Decided | DataFrame | None = None
        # Many candidates are counted by Spark beside all else.
        with ThreadPoolExecutor(1, thread_name_prefix="count") as pool:
            considered = pool.submit(_count, candidates)
            if is_new or not self._is_recorded(manifest):
                known = self._know(candidates, manifest, campaigns)
                if needs_turn or rated:
                    made = self._decide_in_turn(unit, manifest, known, work, asked, rated)
                else:
                    made = self._decide(unit, manifest, known, work, asked)
                    self.check_term()
                    if not self._append_decisions(made, manifest, f"{self.app_id}/decide", unit):
                        made = None
                reach("after-ledger")
            # Many are counted in the ledger; what an earlier attempt or a second driver decided counts as it is there.
            is_large = isinstance(candidates, Considered)
            decided = made if isinstance(made, Decided) else self.recorded(manifest, is_large)
            if made is None and rated:
                with self._turns().take():
                    placed = newly_placed(decided, candidates, manifest.pipeline)
                    self._rates().note(rated, manifest.decided_at, placed, {})
            # Whether anything waits, the ledger says: a rule of the house may be gone since an earlier attempt decided.
            closed = candidates if isinstance(candidates, pa.Table) and work.has_holds else None
            self.open_holds(unit, manifest, decided, closed)
            books.add_considered(considered.result())
        return decided

    def recorded(self, manifest: Manifest, is_large: bool) -> Decided:
        """The unit's decisions as the ledger has them."""
        if is_large:
            return Decided.many(count_unit(self.lake.tables, manifest))
        return Decided.few(few_rows(self.lake, manifest))

    def customers(self, customer_ids: pa.ChunkedArray, manifest: Manifest) -> pa.Table:
        """`customer_id` and `customer`, the row in the pinned snapshot, of a few customers."""
        ids = customer_ids.unique()
        rows = self.memory.customers.find(ids, manifest.audience_version)
        return pa.table({"customer_id": ids, "customer": rows})

    def _record_changes(self, unit: int, work: Work) -> None:
        for changed, changes in (
            (CONSENTS, work.consent_changes),
            (SUPPRESSIONS, work.suppression_changes),
            (CANCELLATIONS, work.cancellations),
        ):
            if changes is not None:
                self._append(changed, changes.toArrow(), self.app_id, unit)

    def _append(self, where: Table, rows: pa.Table, app_id: str, unit: int) -> bool:
        """Whether these rows are in the table now, as far as the driver that holds them can know."""
        return not rows.num_rows or self.lake.append_few(where, rows, app_id, unit)

    def _append_decisions(
        self, decided: Decided | DataFrame, manifest: Manifest, app_id: str, unit: int
    ) -> bool:
        """As `_append`, of the unit's decisions."""
        if isinstance(decided, Decided):
            assert decided.rows is not None
            return self._append(LEDGER, decided.rows, app_id, unit)
        return self.lake.append_files(LEDGER, decided, day_of(manifest), app_id, unit)

    def _is_recorded(self, manifest: Manifest) -> bool:
        """Whether an earlier attempt has decided. A unit whose decisions were made in a turn has no transaction of its
        own: its rows say it."""
        own = f"{self.app_id}/decide"
        return self.lake.has_appended(LEDGER, own, manifest.unit) or is_recorded(self.lake.tables, manifest)

    def _know(
        self, candidates: pa.Table | Considered, manifest: Manifest, campaigns: list[Campaign]
    ) -> pa.Table | Considered:
        """Many candidates meet what is known of them at the tasks that decide."""
        if isinstance(candidates, Considered):
            return candidates
        return know_few(candidates, manifest, campaigns, self.memory)

    def _decide(
        self,
        unit: int,
        manifest: Manifest,
        known: pa.Table | Considered,
        work: Work,
        asked: Asked,
        free_at: Mapping[str, datetime] | None = None,
    ) -> Decided | DataFrame:
        """The decisions. In a turn the past is asked, as the ledger has it now, and `free_at` says from when on rates
        have room. Many decisions are a frame of the ledger's files: asking for its rows makes and writes them."""
        clock = manifest.decided_at
        about = Unit(manifest.pipeline, unit, clock, manifest.audience_version, work.policy)
        if isinstance(known, Considered):
            since = None if asked.caps is None else clock - asked.caps
            free = (free_at or {}).get(known.scope.campaign_id)
            pieces, decide_all = gather_run(self.lake, known, manifest, about, since, free)
            task = FileTask(self.settings.lake, LEDGER.name, day_of(manifest))
            return decide_frame(pieces, decide_all, about, Finish(task, FILE_COLUMNS))
        if asked.is_anything:
            names = known["customer_id"].combine_chunks()
            sent = self.memory.sent.of(names, asked.since(clock), clock - (asked.caps or timedelta(0)))
            known = attach_past(known, sent, asked, clock)
        if free_at:
            known = known.append_column("rate_free_at", free_at_of(known, free_at))
        return Decided.few(decide(known, about), known.select(["customer_id", "customer"]))

    def _decide_in_turn(
        self,
        unit: int,
        manifest: Manifest,
        known: pa.Table | Considered,
        work: Work,
        asked: Asked,
        rated: list[Campaign],
    ) -> Decided | DataFrame | None:
        """Decide and append while nobody else does; None when somebody else has decided the unit meanwhile."""
        while True:
            # Two drivers of a pipeline take each other's turns over without waiting: the older one must end.
            self.check_term()
            with self._turn(unit) as (turn, is_contested):
                self.check_term()
                if is_contested and is_recorded(self.lake.tables, manifest):
                    return None
                if isinstance(known, pa.Table):  # somebody may have decided about the same triggers meanwhile
                    known = mark_repeats(known, find_seen(known, self.memory.seen.among))
                free_at = self._rates().free_at(rated)
                made = self._decide(unit, manifest, known, work, asked, free_at)
                reach("in-turn")
                self._append_decisions(made, manifest, APP_ID, turn.version)
                if self._turns().is_latest(turn):
                    if rated:
                        # Others wait for the turn: many decisions are counted in it only for this.
                        made = made if isinstance(made, Decided) else self.recorded(manifest, is_large=True)
                        placed = newly_placed(made, known, manifest.pipeline)
                        self._rates().note(rated, manifest.decided_at, placed, free_at)
                    return made
            # Taken over while it was slow: whether Delta has skipped the append, only the rows say.
            if is_recorded(self.lake.tables, manifest):
                return None

    @contextmanager
    def _turn(self, unit: int) -> Iterator[tuple[Turn, bool]]:
        """A turn, and whether somebody may have decided the unit already: an earlier attempt, or a rival driver."""
        with self._turns().take() as turn:
            if turn.fence is not None:
                self.lake.append_nothing(LEDGER, APP_ID, turn.fence)
            yield turn, ManifestStore(self.objects).begin_deciding(self.app_id, unit)

    def _rates(self) -> Rates:
        return Rates(self.objects)

    def _turns(self) -> Turns:
        return Turns(self.objects, self.app_id.partition("/")[0], self.driver)

    def open_holds(
        self, unit: int, manifest: Manifest, decided: Decided, closed: pa.Table | None = None
    ) -> None:
        """Append the unit's holds, from the ledger, and close those of the candidates `closed`."""
        if closed is None and not decided.has_held():
            return
        if decided.is_few:
            opened = open_rows(decided.held(), self.owner)
            parts = [opened] if closed is None else [opened, closed_rows(closed, self.owner)]
            self._append(HOLDS, pa.concat_tables(parts), self.app_id, unit)
        else:
            assert closed is None  # a release works on few

            def opened_many() -> Iterator[pa.Table]:
                held = held_by_unit(self.lake.tables, manifest, OPENED_FROM)
                return (open_rows(part, self.owner) for part in held)

            self.lake.append_stream(HOLDS, opened_many, self.app_id, unit)
        reach("after-holds")


def _count(candidates: pa.Table | Considered) -> list[dict[str, Any]]:
    if isinstance(candidates, Considered):
        return candidates.counts()
    return counted(candidates, "campaign_id", "channel")
