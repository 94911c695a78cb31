"""The manifest of a unit: what an epoch or a run pinned before it decided anything, and what came of it.

Invariant: a manifest is written once, before the first decision; whoever comes second reads it and pins the same.
The result is written after everything is published, so a unit with a manifest and no result is unfinished.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pipelines.edges.objects import ObjectStore, canonical_json


@dataclass(frozen=True)
class Manifest:
    """Everything a decision depends on besides the input records. Key: (pipeline, unit)."""

    pipeline: str
    unit: int
    clock: str
    audience_version: int
    audience_as_of: str
    consents_version: int
    ledger_version: int
    send_partitions: int
    campaigns: dict[str, str] = field(default_factory=dict)
    #: Chunks are counted, and a chunk is so many messages: a resumed unit must count as the first attempt did.
    messages_per_transaction: int = 10_000
    #: In which order a run is published; see `pipelines.recipients`.
    publish_order: int = 1
    #: -1: the table was not there yet.
    suppressions_version: int = -1
    cancellations_version: int = -1
    holds_version: int = -1
    #: Of a release: the runs whose waiting messages are not sent any more, and those whose messages wait on.
    cancelled_runs: list[str] = field(default_factory=list)
    paused_runs: list[str] = field(default_factory=list)
    #: Likewise, the paused campaigns whose runs hold on, with the version that is paused; null: every one.
    paused_campaigns: dict[str, str | None] = field(default_factory=dict)
    #: Campaigns of which nobody is sent anything for now, whatever their own status says.
    paused: list[str] = field(default_factory=list)
    #: What the links of its messages are made of; see `describe_links`. Nothing depends on it but `rerender`.
    links: dict[str, str] = field(default_factory=dict)

    @property
    def decided_at(self) -> datetime:
        return datetime.fromisoformat(self.clock)

    @property
    def as_of(self) -> datetime:
        return datetime.fromisoformat(self.audience_as_of)


#: Decisions made in a turn have no transaction of their unit in the ledger; this stands in for it.
_DECIDED = "decided/"


class ManifestStore:
    """Manifests and results of one lake, as objects `manifests/{pipeline}/{unit}.json` and `results/…`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def pin(self, pipeline: str, unit: int, make: Callable[[], Manifest]) -> tuple[Manifest, bool]:
        """The manifest of the unit and whether it is new: made by `make` unless it was pinned before."""
        name = _name("manifests", pipeline, unit)
        pinned = self._objects.read_json(name)
        if pinned is not None:
            return Manifest(**pinned), False
        made = make()
        if self._objects.create(name, canonical_json(asdict(made))):
            return made, True
        return Manifest(**(self._objects.read_json(name) or {})), False

    def find(self, pipeline: str, unit: int) -> Manifest | None:
        pinned = self._objects.read_json(_name("manifests", pipeline, unit))
        return None if pinned is None else Manifest(**pinned)

    def incarnations(self, pipeline: str) -> list[str]:
        """Those of a pipeline that have pinned anything in this lake."""
        return self._objects.folders(f"manifests/{pipeline}/")

    def finish(self, pipeline: str, unit: int, result: dict[str, Any]) -> None:
        """Record what came of the unit; a replay writes the same again."""
        self._objects.write_json(_name("results", pipeline, unit), result)

    def result(self, pipeline: str, unit: int) -> dict[str, Any] | None:
        return self._objects.read_json(_name("results", pipeline, unit))

    def begin_deciding(self, pipeline: str, unit: int) -> bool:
        """Note that the unit is about to be decided in a turn; whether that was noted before, for it or a later one."""
        name = f"{_DECIDED}{pipeline}.json"
        begun = self._objects.read_json(name)
        self._objects.write_json(name, {"unit": unit})
        return begun is not None and int(begun["unit"]) >= unit

    def last_decided(self, pipeline: str) -> dict[str, int]:
        """The last unit that was about to be decided in a turn, by incarnation of the pipeline."""
        folder = f"{_DECIDED}{pipeline}/"
        found = {}
        for item in self._objects.list(folder):
            noted = self._objects.read_json(item.name) or {}
            found[item.name.removeprefix(folder).removesuffix(".json")] = int(noted["unit"])
        return found

    def results(self) -> list[dict[str, Any]]:
        """The results of all finished units of all pipelines."""
        found = [self._objects.read_json(item.name) for item in self._objects.list("results/")]
        return [result for result in found if result is not None]


def _name(folder: str, pipeline: str, unit: int) -> str:
    # Zero-padded, so that a listing is in the order of the units.
    return f"{folder}/{pipeline}/{unit:012d}.json"
