"""Which runs are under way: what a run is to send stands in the ledger before anything of it is published.

Invariant: a run has ended when it has a result; until then nobody can tell from the ledger what has left, whether its
driver lives, waits or is gone. Epochs and releases are not asked about: they last seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pipelines.edges.manifests import ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.runs import INCARNATION, UNIT, is_run, run_pipeline


def under_way(objects: ObjectStore, pipelines: Iterable[str]) -> set[str]:
    """Those of the pipelines that are of runs and have not ended: a request for each run. Raises `StorageError`."""
    results = ManifestStore(objects)
    runs = {one for one in pipelines if is_run(one)}
    return {one for one in runs if results.result(f"{one}/{INCARNATION}", UNIT) is None}


def unfinished_runs(
    objects: ObjectStore, campaign_id: str, versions: Collection[str] | None = None
) -> list[str]:
    """The pipelines of a campaign's runs that have begun, where given with one of these versions, and have not ended:
    two listings, and for the versions a request for each. Raises `StorageError`."""
    ending = f"/{INCARNATION}/{UNIT:012d}.json"

    def listed(folder: str) -> set[str]:
        items = objects.list(f"{folder}/{run_pipeline(campaign_id, '')}")
        return {item.name.split("/")[1] for item in items if item.name.endswith(ending)}

    # In this order: what ends meanwhile has ended.
    begun = listed("manifests")
    found = sorted(begun - listed("results"))
    if versions is None:
        return found
    pinned = {one: ManifestStore(objects).find(f"{one}/{INCARNATION}", UNIT) for one in found}
    return [one for one, run in pinned.items() if run and run.campaigns.get(campaign_id) in versions]
