"""What an operator wants of a run: that it goes on, waits, or ends; objects on S3 that its publishing tasks look at,
and the stream that releases what it holds.

Invariant: a cancellation is final, because what it leaves unsent is recorded as such; waiting and going on alternate.
Each wish is an object that is there or not, so two operators never overwrite each other's. Whether a task has ended
a send partition is not read from here a second time: its marker says so.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from conf import Lake
from pipelines.edges.objects import ObjectStore, StorageError

Wanted = Literal["run", "pause", "cancel"]

#: How often a task looks: an operator is obeyed within this time and one transaction.
LOOK_EVERY_S = 1.0


class RunControl:
    """The wishes for one run, by its pipeline."""

    def __init__(self, objects: ObjectStore, pipeline: str) -> None:
        self._objects = objects
        self._folder = f"control/{pipeline}/"

    def wanted(self) -> Wanted:
        """What holds now; a cancellation outweighs a pause."""
        return _outweighing(item.name.removeprefix(self._folder) for item in self._objects.list(self._folder))

    def pause(self) -> None:
        self._objects.create(f"{self._folder}pause", b"{}")

    def blow(self, why: str) -> None:
        """Pause, because a fuse has blown. Once per run: who resumes it has seen why, and wants the others sent."""
        if self.blown() is None:
            self.pause()
            self._objects.create(f"{self._folder}fuse", why.encode())

    def blown(self) -> str | None:
        """Why a fuse has blown, in words."""
        why = self._objects.read(f"{self._folder}fuse")
        return None if why is None else why.decode()

    def resume(self) -> None:
        self._objects.delete(f"{self._folder}pause")

    def cancel(self) -> None:
        self._objects.create(f"{self._folder}cancel", b"{}")


@dataclass(frozen=True)
class StoppedRuns:
    """The pipelines of all runs that are paused, and of all that were ever cancelled."""

    paused: list[str]
    cancelled: list[str]


def stopped_runs(objects: ObjectStore) -> StoppedRuns:
    """As they are now: one request."""
    names: dict[str, set[str]] = defaultdict(set)
    for item in objects.list("control/"):
        _, pipeline, wish = item.name.split("/")
        names[pipeline].add(wish)
    wanted = {pipeline: _outweighing(wishes) for pipeline, wishes in sorted(names.items())}
    paused, cancelled = ([one for one in wanted if wanted[one] == wish] for wish in ("pause", "cancel"))
    return StoppedRuns(paused, cancelled)


def _outweighing(names: Iterable[str]) -> Wanted:
    there = set(names)
    return "cancel" if "cancel" in there else "pause" if "pause" in there else "run"


@dataclass(frozen=True)
class ControlPoint:
    """Where to look; travels to the executors."""

    lake: Lake
    pipeline: str


class Watch:
    """Looks at a run's control at most once in `LOOK_EVERY_S`; an S3 that fails later on changes nothing."""

    def __init__(self, point: ControlPoint) -> None:
        self._control = RunControl(ObjectStore(point.lake), point.pipeline)
        self._seen: Wanted | None = None
        self._looked_at = 0.0

    def wanted(self) -> Wanted:
        """What is wanted. Raises `StorageError` only when it has never been known."""
        if self._seen is None or time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            try:
                self._seen = self._control.wanted()
            except StorageError:
                if self._seen is None:
                    raise
            self._looked_at = time.monotonic()
        return self._seen

    def blow(self, why: str) -> None:
        """Pause the run, for a reason in words."""
        self._control.blow(why)
        self._seen = None

    def wait_while_paused(self) -> Wanted:
        """Return when the run shall go on, or end. No transaction may be open meanwhile."""
        while (wanted := self.wanted()) == "pause":
            time.sleep(LOOK_EVERY_S)
        return wanted


#: The watches of this worker process: making a client of S3 costs 0.2 s.
_watches: dict[ControlPoint, Watch] = {}


def watch(point: ControlPoint) -> Watch:
    """The watch of this process."""
    if point not in _watches:
        _watches[point] = Watch(point)
    return _watches[point]
