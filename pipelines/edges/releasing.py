"""Holds fall due on the clock, not on the input: the stream's driver releases them between two epochs.

Invariant: a release is a unit of its own pipeline, begun only when the last one is finished; so each hold is decided
once, whatever dies. Spark calls nobody while no input arrives, therefore the driver's own loop calls this.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from conf import Settings
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.control import stopped_runs
from pipelines.edges.due import DueHolds, forget_closed
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.pauses import CampaignPauses
from pipelines.errors import BusyTableError
from pipelines.holds import Paused
from pipelines.recording import HOLDS
from pipelines.releases import make_release_work, release_pipeline
from pipelines.units import UnitRunner

#: Releases have one life: their pipeline has no checkpoint.
INCARNATION = "holds"
#: How far ahead one look at the table goes: longer ones read more that is not due, shorter ones come more often.
_HORIZON = timedelta(minutes=1)


class HoldReleaser:
    """Releases the holds of one stream. `make_runner` makes the runner of the pipeline and incarnation given."""

    def __init__(
        self,
        lake: DeltaLake,
        objects: ObjectStore,
        settings: Settings,
        make_runner: Callable[[str, str], UnitRunner],
    ) -> None:
        self._lake = lake
        self._objects = objects
        self._settings = settings
        self._make_runner = make_runner
        self._runner: UnitRunner | None = None
        self._pipeline = release_pipeline(settings.stream.pipeline)
        self._manifests = ManifestStore(objects)
        self._campaigns = CampaignStore(objects)
        self._pauses = CampaignPauses(objects)
        self._due = DueHolds(lake.tables, self._pipeline)
        self._pointer = f"units/{self._pipeline}.json"
        #: The table's version at the last look, and the earliest moment at which anything can be due.
        self._seen = -1
        self._next: datetime | None = None
        #: What was paused at the last look, when that kept something back: it is asked again whether it still is.
        self._keeping_back: Paused | None = None
        self._tidied: date | None = None
        self._is_begun = self._unfinished() is not None

    def is_due(self, clock: datetime) -> bool:
        """Whether there is anything to release now. Cheap while nothing is due and nothing new is held."""
        if self._is_begun:
            return True
        version = self._lake.version(HOLDS)
        if version < 0:
            return False
        is_waiting = version == self._seen and self._next is not None and clock < self._next
        if is_waiting and self._keeping_back is None:
            return False
        paused = self._find_paused()
        if is_waiting and paused == self._keeping_back:
            return False
        first, is_any_kept_back = self._due.look(version, clock + _HORIZON, paused)
        self._keeping_back = paused if is_any_kept_back else None
        self._seen = version
        found = clock + _HORIZON if first is None else first.astimezone(clock.tzinfo)
        self._next = found
        return bool(found <= clock)

    def _find_paused(self) -> Paused:
        return Paused(stopped_runs(self._objects).paused, self._pauses.with_declared(self._campaigns))

    def release(self, clock: datetime) -> dict[str, Any]:
        """Run one release, or finish the one that an earlier driver began. Raises what `UnitRunner.run` raises."""
        if self._runner is None:
            self._runner = self._make_runner(self._pipeline, INCARNATION)
        load = self._runner.campaigns.load
        unit = self._unfinished()
        if unit is None:
            unit = self._last() + 1
            self._objects.write_json(self._pointer, {"unit": unit})
        settings = self._settings
        result = self._runner.run(
            unit,
            clock,
            None,
            lambda spark, manifest, versions, _: make_release_work(
                self._due,
                settings.stream.max_offsets_per_epoch,
                spark,
                manifest,
                versions,
                settings.decide,
                load,
            ),
        )
        # What this release held again, or left because there was too much, is seen at the next look.
        self._is_begun, self._seen = False, -1
        self._tidy(clock)
        return result

    def _tidy(self, clock: datetime) -> None:
        """Once a day delete the closed holds of the days before yesterday, so that a look reads only a few days."""
        if self._tidied == clock.date():
            return
        self._tidied = clock.date()
        until = clock.date() - timedelta(days=1)
        # While others change the table each time, it is left to the next day.
        with suppress(BusyTableError):
            self._lake.tables.rewrite(HOLDS, lambda found: forget_closed(found, until))

    def _last(self) -> int:
        found = self._objects.read_json(self._pointer)
        return -1 if found is None else int(found["unit"])

    def _unfinished(self) -> int | None:
        """The unit that was begun and has no result: at most the last one."""
        last, app_id = self._last(), f"{self._pipeline}/{INCARNATION}"
        return last if last >= 0 and self._manifests.result(app_id, last) is None else None
