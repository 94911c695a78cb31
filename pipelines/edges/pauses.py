"""Campaigns that nobody gets for now: paused by an operator, or by their fuse.

Invariant: one object per campaign, there or not. A unit pins which of its campaigns are paused, so that a replay
decides the same. What a fuse has paused is a version: with other content the campaign is sent again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.objects import JsonFolder, ObjectStore

FOLDER = "campaigns/paused/"


@dataclass(frozen=True)
class Pause:
    """`version` None: whatever is published; `why` in words."""

    version: str | None
    why: str


class CampaignPauses:
    """The paused campaigns of one lake."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._pauses = JsonFolder(objects, FOLDER)

    def pause(self, campaign_id: str, why: str, version: str | None = None) -> None:
        """An operator's pause outlasts that of a fuse."""
        said = self._objects.read_json(_name(campaign_id))
        if version is None or said is None or said["version"] is not None:
            self._objects.write_json(_name(campaign_id), asdict(Pause(version, why)))

    def resume(self, campaign_id: str) -> None:
        self._objects.delete(_name(campaign_id))

    def all(self) -> dict[str, Pause]:
        """Every pause by campaign_id, also one of a version that is not active any more."""
        return {name: Pause(**document) for name, document in self._pauses.all().items()}

    def with_declared(self, campaigns: CampaignStore) -> dict[str, str | None]:
        """The version that is paused of each campaign that is, None for all; also of those whose active version says so
        itself."""
        found = {name: pause.version for name, pause in self.all().items()}
        for name, digest in campaigns.active_digests().items():
            if campaigns.load(digest).status == "paused":
                found[name] = None
        return found

    def of(self, versions: dict[str, str]) -> list[str]:
        """Which of these campaigns, given with their versions, are paused."""
        paused = {name: pause.version for name, pause in self.all().items()}
        return sorted(
            name for name, version in versions.items() if name in paused and paused[name] in (None, version)
        )


def _name(campaign_id: str) -> str:
    return f"{FOLDER}{campaign_id}.json"
