"""The plan: what the ledger says was decided, read without Spark from the Delta log and its Parquet files.

Invariant: the same rows as `spark.read.format("delta")` at the newest version, because the log's JSON commits are all
still there (they are kept for 30 days) and the ledger has neither deletion vectors nor column mapping.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conf import Settings
from pipelines.edges.objects import ObjectStore

_COLUMNS = [
    "decision_id", "stage", "pipeline", "unit", "source_id", "campaign_id", "customer_id", "channel", "message_id",
    "decision", "reason", "decided_at",
]  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """What the ledger says of a pipeline."""

    #: message_id → how often the ledger says that it is to be sent; more than once is a fault of the ledger.
    messages: Counter[str]
    #: (source_id, campaign_id, customer_id, channel) of everybody considered, each as often as considered.
    considered: Counter[tuple[str, ...]]
    #: Decisions that have more than one row of a stage.
    doubled: int
    #: As `considered`, of those whose message was held.
    held: Counter[tuple[str, ...]] = field(default_factory=Counter)


class Ledger:
    """The ledger of one lake; keeps what it has read, since files of a Delta table never change."""

    def __init__(self, settings: Settings) -> None:
        self._objects = ObjectStore(settings.lake)
        self._lock = threading.Lock()
        self._next = 0
        self._files: dict[str, pa.Table] = {}

    def planned(self, pipeline: str) -> Planned:
        with self._lock:
            rows = self._rows(pipeline)
        # A new checkpoint reads records again, and considers them again under the same ids.
        stages = Counter((row["decision_id"], row["stage"], row["decided_at"]) for row in rows)
        corrected = {row["message_id"] for row in rows if row["stage"] == "render"}
        decided = [row for row in rows if row["stage"] == "decide"]
        sent = Counter(row["message_id"] for row in decided if row["decision"] == "sent")
        return Planned(
            messages=Counter({one: count for one, count in sent.items() if one not in corrected}),
            considered=Counter(map(_about, decided)),
            doubled=sum(count - 1 for count in stages.values()),
            held=Counter(_about(row) for row in decided if row["decision"] == "held"),
        )

    def _rows(self, pipeline: str) -> list[dict[str, Any]]:
        while (commit := self._objects.read(f"ledger/_delta_log/{self._next:020d}.json")) is not None:
            for line in commit.splitlines():
                self._apply(json.loads(line))
            self._next += 1
        chosen = (table.filter(pc.equal(table["pipeline"], pipeline)) for table in self._files.values())
        return [row for table in chosen for row in table.to_pylist()]

    def _apply(self, action: dict[str, Any]) -> None:
        if "add" in action:
            path = unquote(action["add"]["path"])
            content = self._objects.read(f"ledger/{path}")
            if content is None:
                raise FileNotFoundError(f"ledger/{path} is in the Delta log and not in the lake")
            table = pq.read_table(io.BytesIO(content), columns=_COLUMNS)
            self._files[path] = table.filter(pc.is_valid(table["decision_id"]))
        elif "remove" in action:
            self._files.pop(unquote(action["remove"]["path"]), None)


def _about(row: dict[str, Any]) -> tuple[str, ...]:
    return row["source_id"], row["campaign_id"], row["customer_id"], row["channel"] or ""
