"""What an earlier life of a stream has recorded and not published, when its checkpoint is gone.

Invariant: what the ledger says is to be sent is sent, although nobody will replay the epoch: the records it was made of
are known to the lost checkpoint only, and to a new one its messages are repetitions. Runs before the new life publishes
anything, because a marker of the new life would hide those of the old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import functions as F

from pipelines.books import Books
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import ManifestStore
from pipelines.recording import LEDGER
from pipelines.units import UnitRunner


def find_unfinished(
    lake: DeltaLake, manifests: ManifestStore, pipeline: str, current: str | None
) -> list[tuple[str, int]]:
    """(incarnation, unit) of what other incarnations than `current` recorded in the ledger and did not finish. An
    incarnation works on one unit at a time, so only its last can be unfinished."""
    found = []
    for app_id, unit in sorted(lake.appended(LEDGER).items()):
        owner, _, rest = app_id.partition("/")
        incarnation, _, stage = rest.partition("/")
        if owner != pipeline or stage != f"decide/{LEDGER.name}" or incarnation == current:
            continue
        # Without a manifest it is so old that retention has taken both, and its result was there.
        life = f"{owner}/{incarnation}"
        if manifests.find(life, unit) is not None and manifests.result(life, unit) is None:
            found.append((incarnation, unit))
    return found


def finish_unfinished(
    lake: DeltaLake,
    manifests: ManifestStore,
    pipeline: str,
    current: str | None,
    runner_for: Callable[[str], UnitRunner],
) -> list[dict[str, Any]]:
    """Publish the rest of each unfinished unit; returns their results. Raises what `UnitRunner.run` raises."""
    return [
        _finish(runner_for(incarnation), unit)
        for incarnation, unit in find_unfinished(lake, manifests, pipeline, current)
    ]


def _finish(runner: UnitRunner, unit: int) -> dict[str, Any]:
    manifest = runner.manifests.find(runner.app_id, unit)
    assert manifest is not None  # `find_unfinished` has seen it
    books = Books()
    versions, audience = runner.pinned(manifest)
    runner.publish(unit, manifest, versions, audience, False, books)
    # The records are gone, so that the ledger stands in for them: only sent and published can still disagree.
    decided = runner.decisions(unit, manifest).where(F.col("stage") == "decide")
    books.add_considered(
        [row.asDict() for row in decided.groupBy("campaign_id", "channel").count().collect()]
    )
    return runner.conclude(unit, manifest, books, {})
