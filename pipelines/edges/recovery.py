"""What an earlier life of a stream has recorded and not published, when its checkpoint is gone.

Invariant: what the ledger says is to be sent is sent, although nobody will replay the epoch: the records it was made of
are known to the lost checkpoint only, and to a new one its messages are repetitions. Runs before the new life publishes
anything, because a marker of the new life would hide those of the old.
"""

from __future__ import annotations

from typing import Any

from pipelines.books import Books
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.recorded import is_recorded
from pipelines.units import UnitRunner


def find_unfinished(
    lake: DeltaLake, manifests: ManifestStore, pipeline: str, current: str | None
) -> list[tuple[str, int]]:
    """(incarnation, unit) of what other incarnations than `current` recorded in the ledger and did not finish. An
    incarnation works on one unit at a time, so only its last can be unfinished."""
    last = manifests.last_decided(pipeline)
    for incarnation in manifests.incarnations(pipeline):
        unit = lake.last_appended(LEDGER, f"{pipeline}/{incarnation}/decide")
        last[incarnation] = max(unit, last.get(incarnation, -1))
    return [
        (incarnation, unit)
        for incarnation, unit in sorted(last.items())
        if incarnation != current and _is_unfinished(lake, manifests, pipeline, incarnation, unit)
    ]


def _is_unfinished(
    lake: DeltaLake, manifests: ManifestStore, pipeline: str, incarnation: str, unit: int
) -> bool:
    # Without a manifest it is so old that retention has taken both, and its result was there.
    manifest = manifests.find(f"{pipeline}/{incarnation}", unit)
    if manifest is None or manifests.result(f"{pipeline}/{incarnation}", unit) is not None:
        return False
    # A unit that waited for its turn and never got it has recorded nothing: its records are read anew.
    return is_recorded(lake.tables, manifest)


def finish(runner: UnitRunner, unit: int) -> dict[str, Any]:
    """Publish the rest of an unfinished unit; returns its result. Raises what `UnitRunner.run` raises."""
    manifest = runner.manifests.find(runner.app_id, unit)
    assert manifest is not None  # `find_unfinished` has seen it
    books = Books()
    versions = runner.pinned(manifest)
    decided = runner.recorder.recorded(manifest, is_large=False)
    runner.recorder.open_holds(unit, manifest, decided)
    runner.publish(unit, manifest, versions, decided, books)
    # The records are gone, so that the ledger stands in for them: only sent and published can still disagree.
    books.add_considered(decided.first())
    return runner.conclude(unit, manifest, books, {}, {})
