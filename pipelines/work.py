"""What a unit brings to be decided, whether it is an epoch, a scheduled run or the release of holds.

Invariant: it is a pure function of the input records and of what the manifest pins, so that a unit which is started
again brings the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from pipelines.campaigns import Campaign
from pipelines.considered import Considered
from pipelines.edges.manifests import Manifest


@dataclass(frozen=True)
class Work:
    """The candidates of a unit; for an epoch also its refused records, and what it changes before they are decided.
    Those of an epoch or a release are few, and worked out on the driver; a run considers a whole audience."""

    candidates: DataFrame | Considered
    consent_changes: DataFrame | None
    dead_letters: DataFrame | None
    suppression_changes: DataFrame | None = None
    cancellations: DataFrame | None = None
    #: Some candidates are open holds, which are closed by being decided.
    has_holds: bool = False
    #: The rules of all candidates of a run, as `pipelines.decide.policy` writes them.
    policy: str | None = None
    #: Campaign versions of candidates that the manifest does not name, by digest: those that runs began with.
    versions: Mapping[str, Campaign] = field(default_factory=dict)
    #: The pipelines of the runs behind the candidates of a release, by campaign.
    runs: Mapping[str, frozenset[str]] = field(default_factory=dict)


#: Makes the work of a unit from what its manifest pinned; the last argument reads the audience.
WorkMaker = Callable[[SparkSession, Manifest, dict[str, Campaign], Callable[[], DataFrame]], Work]
