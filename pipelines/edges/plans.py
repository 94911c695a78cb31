"""The plan of a run: how many messages of each line and send partition its ledger says to send.

Invariant: written once, when the decisions are in the ledger, so that whoever watches the run can tell how far it is
from small objects and markers alone, without Spark. A plan is for looking at: nothing is decided by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.edges.manifests import Manifest
from pipelines.edges.objects import ObjectStore, canonical_json
from pipelines.edges.progress import Position


@dataclass(frozen=True)
class PlanLine:
    """So many messages to be sent."""

    campaign_id: str
    channel: str
    send_partition: int
    messages: int


@dataclass(frozen=True)
class Plan:
    """What one unit is to publish."""

    messages_per_transaction: int
    lines: tuple[PlanLine, ...]

    @property
    def messages(self) -> int:
        return sum(line.messages for line in self.lines)

    def by_partition(self) -> Counter[int]:
        """Messages by send partition."""
        found: Counter[int] = Counter()
        for line in self.lines:
            found[line.send_partition] += line.messages
        return found

    def done(self, send_partition: int, position: Position) -> int:
        """How many of a send partition's messages a marker vouches for; those that did not render count as done."""
        planned = self.by_partition()[send_partition]
        return min(planned, (position.chunk + 1) * self.messages_per_transaction)


class PlanStore:
    """The plans of one lake, as objects `plans/{pipeline}/{unit}.json`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def record(
        self, pipeline: str, unit: int, manifest: Manifest, counts: Iterable[Mapping[str, Any]]
    ) -> None:
        """The unit's sent decisions among `counts` of its decisions, unless an earlier attempt has recorded them."""
        lines = [
            PlanLine(row["campaign_id"], row["channel"], row["send_partition"], row["count"])
            for row in counts
            if row["decision"] == "sent"
        ]
        lines.sort(key=lambda line: (line.campaign_id, line.channel, line.send_partition))
        plan = Plan(manifest.messages_per_transaction, tuple(lines))
        self._objects.create(_name(pipeline, unit), canonical_json(asdict(plan)))

    def find(self, pipeline: str, unit: int) -> Plan | None:
        found = self._objects.read_json(_name(pipeline, unit))
        if found is None:
            return None
        return Plan(found["messages_per_transaction"], tuple(PlanLine(**line) for line in found["lines"]))


def _name(pipeline: str, unit: int) -> str:
    return f"plans/{pipeline}/{unit:012d}.json"
