"""Campaigns that nobody gets for now: paused by an operator, or by their fuse.

Invariant: one object per campaign, there or not. A unit pins which of its campaigns are paused, so that a replay
decides the same. What a fuse has paused is a version: with other content the campaign is sent again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.edges.objects import ObjectStore

FOLDER = "campaigns/paused/"


@dataclass(frozen=True)
class Pause:
    """`version` None: whatever is published; `why` in words."""

    version: str | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class CampaignPauses:
    """The paused campaigns of one lake. Keeps what it has read until the object changes."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._read: dict[str, tuple[str, Pause]] = {}

    def pause(self, campaign_id: str, why: str, version: str | None = None) -> None:
        """An operator's pause outlasts that of a fuse."""
        there = self.all().get(campaign_id)
        if version is None or there is None or there.version is not None:
            self._objects.write_json(f"{FOLDER}{campaign_id}.json", Pause(version, why).to_dict())

    def resume(self, campaign_id: str) -> None:
        self._objects.delete(f"{FOLDER}{campaign_id}.json")

    def all(self) -> dict[str, Pause]:
        """Every pause by campaign_id, also one of a version that is not active any more."""
        found = {}
        for item in self._objects.list(FOLDER):
            known = self._read.get(item.name)
            if known is None or known[0] != item.etag:
                document = self._objects.read_json(item.name)
                if document is None:  # resumed between the listing and the reading
                    continue
                known = (item.etag, Pause(**document))
                self._read[item.name] = known
            found[item.name.removeprefix(FOLDER).removesuffix(".json")] = known[1]
        return found

    def of(self, versions: dict[str, str]) -> list[str]:
        """Which of these campaigns, given with their versions, are paused."""
        paused = {name: pause.version for name, pause in self.all().items()}
        return sorted(
            name for name, version in versions.items() if name in paused and paused[name] in (None, version)
        )
