"""How runs and streams stand, from small objects, progress markers and the open holds: no Spark.

Invariant: looking changes nothing. A run is told by its manifest, plan, markers, wishes, heartbeat and result; a run
without a result whose driver has not been heard of is unfinished, whatever it was doing. What a run holds the stream
releases, so that messages of it may wait long after it has finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pipelines.edges.advance import Advance, measure
from pipelines.edges.control import RunControl, Wanted
from pipelines.edges.heartbeat import living
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.markers import MarkerReader, SeenMarker
from pipelines.edges.objects import ObjectStore
from pipelines.edges.pauses import CampaignPauses
from pipelines.edges.plans import Plan, PlanStore
from pipelines.edges.tables import Tables
from pipelines.edges.waiting import Waiting, waiting_by_run
from pipelines.errors import InputError
from pipelines.releases import release_pipeline
from pipelines.runs import INCARNATION, RUNS, UNIT, run_name, run_pipeline

State = Literal["running", "paused", "cancelled", "finished", "unfinished", "stopped"]

#: Epochs of a stream that are counted together.
EPOCHS = 20


@dataclass(frozen=True)
class RunStatus:
    """One run. `planned` is None until its decisions are recorded; counts are of messages. Those that wait, for quiet
    hours or their delivery rate, are never among its planned and published: the stream releases them when they are due.
    """

    run: str
    state: State
    wanted: Wanted
    began_at: str
    planned: int | None
    published: int
    remaining: int | None
    excluded: dict[str, int]
    failed: int
    rate: float | None
    eta_s: float | None
    #: Why the run's fuse has blown, in words.
    fuse: str | None = None
    #: Messages that waited when the run ended, None until then; those that wait now, and when the last of them is due.
    held: int | None = None
    waiting: int = 0
    waits_until: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class StreamStatus:
    """One stream: its newest epoch, and what the last epochs published."""

    stream: str
    state: State
    epoch: int | None
    clock: str | None
    recent_epochs: int
    recent_published: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_run(objects: ObjectStore, name: str) -> str:
    """The pipeline of a run that has begun, given as CAMPAIGN/RUN_ID. Raises `InputError`."""
    campaign_id, slash, run_id = name.partition("/")
    pipeline = run_pipeline(campaign_id, run_id)
    if slash and ManifestStore(objects).find(f"{pipeline}/{INCARNATION}", UNIT) is not None:
        return pipeline
    known = [begun for begun, _ in _begun(objects)]
    newest = ", ".join(known[:10]) or "none"
    raise InputError(
        f"no run '{name}' has begun in this lake. Newest: {newest}. Name it as CAMPAIGN/RUN_ID, as "
        "`carillon status` does."
    )


@dataclass(frozen=True)
class PausedCampaign:
    """A campaign that nobody gets for now; `version` None: in whatever version."""

    paused_campaign: str
    version: str | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class StatusReader:
    """Reads how things stand; keeps what it has read of the markers."""

    def __init__(self, objects: ObjectStore, tables: Tables, client: dict[str, str]) -> None:
        self._objects = objects
        self._tables = tables
        self._manifests = ManifestStore(objects)
        self._plans = PlanStore(objects)
        self._markers = MarkerReader(client)

    def close(self) -> None:
        self._markers.close()

    def run(self, name: str, now: datetime) -> RunStatus:
        """One run. Raises `InputError` when there is none of that name."""
        pipeline = find_run(self._objects, name)
        self._markers.refresh()
        return self._run(name, pipeline, living(self._objects, now), waiting_by_run(self._tables))

    def runs(self, count: int, now: datetime) -> list[RunStatus]:
        """The newest runs, newest first."""
        self._markers.refresh()
        alive, waiting = living(self._objects, now), waiting_by_run(self._tables)
        return [self._run(name, pipeline, alive, waiting) for name, pipeline in _begun(self._objects)[:count]]

    def streams(self, now: datetime) -> list[StreamStatus]:
        """All streams, by name."""
        self._markers.refresh()
        alive = living(self._objects, now)
        # What waits is released by the driver of its stream, which beats under the stream's own name.
        alive |= {release_pipeline(name) for name in alive}
        names = [name for name in self._objects.folders("manifests/") if not name.startswith(RUNS)]
        return [self._stream(name, name in alive) for name in sorted(names)]

    def paused(self) -> list[PausedCampaign]:
        """The campaigns that are paused beside what their own files say."""
        pauses = CampaignPauses(self._objects).all()
        return [PausedCampaign(name, pause.version, pause.why) for name, pause in sorted(pauses.items())]

    def _run(self, name: str, pipeline: str, alive: set[str], waiting: Mapping[str, Waiting]) -> RunStatus:
        found, waits = self._as_run(name, pipeline, alive), waiting.get(pipeline)
        if found.wanted == "pause":
            found = replace(found, fuse=RunControl(self._objects, pipeline).blown())
        return replace(found, waiting=waits.count, waits_until=waits.until.isoformat()) if waits else found

    def _as_run(self, name: str, pipeline: str, alive: set[str]) -> RunStatus:
        """By what its own driver does."""
        app_id = f"{pipeline}/{INCARNATION}"
        manifest = self._manifests.find(app_id, UNIT)
        assert manifest is not None  # `_begun` and `find_run` have seen it
        result = self._manifests.result(app_id, UNIT)
        plan = self._plans.find(app_id, UNIT)
        control = RunControl(self._objects, pipeline)
        wanted = control.wanted()
        if result is not None:
            return _finished(name, wanted, manifest, plan, result)
        advance = measure(plan, self._markers.seen[pipeline]) if plan else Advance(0, 0, None)
        state: State = "unfinished" if pipeline not in alive else "paused" if wanted == "pause" else "running"
        moves = state == "running"
        return RunStatus(
            run=name,
            state=state,
            wanted=wanted,
            began_at=manifest.clock,
            planned=plan.messages if plan else None,
            published=advance.published,
            remaining=advance.remaining if plan else None,
            excluded={},
            failed=0,
            rate=advance.rate if moves else None,
            eta_s=advance.eta_s if moves else None,
        )

    def _stream(self, name: str, is_alive: bool) -> StreamStatus:
        seen = self._markers.seen[name]
        state: State = "running" if is_alive else "stopped"
        if not seen:
            return StreamStatus(name, state, None, None, 0, 0)
        newest = max(seen, key=lambda marker: marker.at_ms)
        epochs = self._epochs(name, newest)
        results = [self._manifests.result(f"{name}/{newest.incarnation}", epoch) for epoch in epochs]
        published = sum(
            line["published"]
            for result in results
            if result is not None
            for channels in result["campaigns"].values()
            for line in channels.values()
        )
        last = self._manifests.find(f"{name}/{newest.incarnation}", epochs[-1])
        return StreamStatus(name, state, epochs[-1], last.clock if last else None, len(epochs), published)

    def _epochs(self, name: str, newest: SeenMarker) -> Sequence[int]:
        """The last epochs; those after the newest marker have published nothing, or not yet."""
        folder = f"manifests/{name}/{newest.incarnation}/"
        first = max(0, newest.position.unit - EPOCHS)
        listed = self._objects.list(folder, after=f"{folder}{first:012d}.json")
        units = [int(item.name.removeprefix(folder).removesuffix(".json")) for item in listed]
        return (units or [newest.position.unit])[-EPOCHS:]


def _begun(objects: ObjectStore) -> list[tuple[str, str]]:
    """(CAMPAIGN/RUN_ID, pipeline) of every run, newest first."""
    ending = f"/{INCARNATION}/{UNIT:012d}.json"
    items = [item for item in objects.list(f"manifests/{RUNS}") if item.name.endswith(ending)]
    items.sort(key=lambda item: item.modified, reverse=True)
    pipelines = [item.name.split("/")[1] for item in items]
    return [(run_name(pipeline), pipeline) for pipeline in pipelines]


def _finished(
    name: str, wanted: Wanted, manifest: Manifest, plan: Plan | None, result: dict[str, Any]
) -> RunStatus:
    lines = [line for channels in result["campaigns"].values() for line in channels.values()]
    excluded: dict[str, int] = {}
    for line in lines:
        for reason, count in line["excluded"].items():
            excluded[reason] = excluded.get(reason, 0) + count
    published = sum(line["published"] for line in lines)
    return RunStatus(
        run=name,
        state=result.get("state", "finished"),
        wanted=wanted,
        began_at=manifest.clock,
        planned=plan.messages if plan else published,
        published=published,
        remaining=0,
        excluded=excluded,
        failed=sum(sum(line["failed"].values()) for line in lines),
        rate=None,
        eta_s=None,
        held=sum(line["held"] for line in lines),
    )
