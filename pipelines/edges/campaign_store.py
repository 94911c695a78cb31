"""Campaign bundles on S3: published whole under their content digest, then named active by one small object.

Invariant: a reader sees a campaign as it was before a publication or after it, never in between: the bundle is one
immutable object, and it is there before the pointer names it.
"""

from __future__ import annotations

from pipelines.campaigns import Campaign, bundle
from pipelines.edges.objects import JsonFolder, ObjectStore, canonical_json

ACTIVE = "campaigns/active/"
BUNDLES = "campaigns/bundles/"


class CampaignStore:
    """The campaigns of one lake. Keeps what it has read: bundles never change, and a pointer is read again only when
    its ETag did."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._bundles: dict[str, Campaign] = {}
        self._pointers = JsonFolder(objects, ACTIVE)

    def publish(self, campaign: Campaign) -> str:
        """Publish and activate; returns the digest. Publishing the same content again changes nothing."""
        made = bundle(campaign)
        self._objects.create(f"{BUNDLES}{made.digest}.json", made.payload)
        pointer = {"campaign_id": campaign.campaign_id, "digest": made.digest}
        self._objects.write(f"{ACTIVE}{campaign.campaign_id}.json", canonical_json(pointer))
        return made.digest

    def active_digests(self) -> dict[str, str]:
        """The digest of each active campaign by campaign_id, as of now."""
        return {name: str(pointer["digest"]) for name, pointer in self._pointers.all().items()}

    def load(self, digest: str) -> Campaign:
        """The campaign version of this digest.

        Raises `MissingBundleError` when the bundle is gone."""
        if digest not in self._bundles:
            payload = self._objects.read(f"{BUNDLES}{digest}.json")
            if payload is None:
                raise MissingBundleError(digest)
            self._bundles[digest] = Campaign.from_bundle(payload)
        return self._bundles[digest]


class MissingBundleError(Exception):
    """A campaign version that something names is not in the lake."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest

    def __str__(self) -> str:
        return (
            f"campaign version {self.digest} is not in the lake (looked for {BUNDLES}{self.digest}.json). "
            "Publish the campaign again with `carillon publish FOLDER`, or restore the object."
        )
