"""How far a run is: its plan, and what its markers say was published of it.

Invariant: computed from the plan and the markers alone, so that the job's own lines and `carillon status` agree. Counts
are of messages that a transaction vouches for; those of them that did not render are in the run's result, later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.edges.control import RunControl
from pipelines.edges.markers import MarkerReader, SeenMarker
from pipelines.edges.objects import ObjectStore
from pipelines.edges.plans import Plan, PlanStore
from pipelines.runs import INCARNATION, UNIT

#: The rate is that of the last minute before the newest marker.
WINDOW_MS = 60_000
#: A paused run says so once in so many beats.
_BEATS_PAUSED = 6


@dataclass(frozen=True)
class Advance:
    """How far; `rate` is in messages a second, None while nobody can know."""

    planned: int
    published: int
    rate: float | None

    @property
    def remaining(self) -> int:
        return self.planned - self.published

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at this rate."""
        return self.remaining / self.rate if self.rate else None

    def describe(self) -> str:
        """In words, for a line of a log."""
        text = f"{self.published:,} of {self.planned:,} published"
        if self.rate:
            text += f", {self.rate:,.0f}/s, {self.eta_s or 0:,.0f} s left"
        return text


def measure(plan: Plan, markers: Sequence[SeenMarker], unit: int = UNIT) -> Advance:
    """`markers`: those of the run's pipeline, each send partition's in their order."""
    newest: dict[int, SeenMarker] = {}
    steps: list[tuple[int, int]] = []
    for marker in markers:
        if marker.position.unit != unit:
            continue
        before = newest.get(marker.send_partition)
        # What lies before the first marker seen may have been compacted away: when it was done, nobody knows.
        gained = _done(plan, marker) - _done(plan, before) if before else 0
        newest[marker.send_partition] = marker
        steps.append((marker.at_ms, gained))
    published = sum(_done(plan, marker) for marker in newest.values())
    return Advance(plan.messages, published, _rate(steps))


def _done(plan: Plan, marker: SeenMarker) -> int:
    return plan.done(marker.send_partition, marker.position)


def _rate(steps: Sequence[tuple[int, int]]) -> float | None:
    if not steps:
        return None
    end = max(at_ms for at_ms, _ in steps)
    begin = max(end - WINDOW_MS, min(at_ms for at_ms, _ in steps))
    gained = sum(messages for at_ms, messages in steps if at_ms > begin)
    return 1000 * gained / (end - begin) if gained else None


class AdvanceReport:
    """What a run's driver says of it while it lasts: `tick` again and again, one line each."""

    def __init__(
        self,
        objects: ObjectStore,
        client: dict[str, str],
        pipeline: str,
        name: str,
        say: Callable[[str], None],
    ) -> None:
        self._plans = PlanStore(objects)
        self._control = RunControl(objects, pipeline)
        self._client = client
        self._pipeline = pipeline
        self._name = name
        self._say = say
        self._plan: Plan | None = None
        self._reader: MarkerReader | None = None
        self._beats_paused = 0

    def tick(self) -> None:
        """Say how far it is, once there is a plan. Raises what S3 and Kafka raise."""
        self._plan = self._plan or self._plans.find(f"{self._pipeline}/{INCARNATION}", UNIT)
        if self._plan is None:
            return
        self._reader = self._reader or MarkerReader(self._client, self._pipeline)
        self._reader.refresh()
        advance = measure(self._plan, self._reader.seen[self._pipeline])
        is_paused = self._control.wanted() == "pause"
        if not is_paused:
            self._say(f"run {self._name}: {advance.describe()}")
        elif self._beats_paused % _BEATS_PAUSED == 0:
            why = self._control.blown()
            self._say(
                f"run {self._name} is paused: {advance.published:,} of {advance.planned:,} published; "
                + (f"its fuse has blown: {why}; " if why else "")
                + f"`carillon resume {self._name}` lets it go on"
            )
        self._beats_paused = self._beats_paused + 1 if is_paused else 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
