"""What runs and streams leave behind, laid by hand on real servers: what looks at it needs no Spark."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from conf import Settings
from pipelines.edges.control import RunControl
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore, canonical_json
from pipelines.edges.plans import Plan, PlanLine
from pipelines.edges.progress import MarkerKey, Position, count_partitions
from pipelines.edges.publisher import PublishTarget, publish_chunk
from pipelines.edges.status import StatusReader
from pipelines.edges.tables import Tables
from schemas.tables import table
from tests.builders import NOW, Row, ledger_row

CLOCK = NOW.isoformat()


class Traces:
    """What a run or a stream leaves behind; `run` is this test's own, of the campaign spring_letter."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.objects = ObjectStore(settings.lake)
        self.tables = Tables(settings.lake)
        self.manifests = ManifestStore(self.objects)
        client = settings.kafka.librdkafka()
        self.target = PublishTarget(client, count_partitions(client), 30_000, 1_000_000)
        self.version = "digest"
        self.run_id = f"r-{uuid.uuid4().hex[:8]}"
        self.run = f"spring_letter/{self.run_id}"
        self.pipeline = f"run-spring_letter-{self.run_id}"
        self.control = RunControl(self.objects, self.pipeline)

    def begin(self, *, is_planned: bool = True) -> None:
        self.pin(f"{self.pipeline}/run", 0, self.pipeline)
        if is_planned:
            plan = Plan(10, (PlanLine("spring_letter", "sms", 0, 35), PlanLine("spring_letter", "sms", 1, 5)))
            name = f"plans/{self.pipeline}/run/{0:012d}.json"
            self.objects.create(name, canonical_json(asdict(plan)))

    def pin(self, app_id: str, unit: int, pipeline: str) -> None:
        manifest = Manifest(pipeline, unit, CLOCK, 1, CLOCK, 1, 1, 2, {"spring_letter": self.version})
        self.manifests.pin(app_id, unit, lambda: manifest)

    def mark(self, pipeline: str, incarnation: str, send_partition: int, unit: int, chunk: int) -> None:
        publish_chunk(
            self.target, MarkerKey(pipeline, incarnation, 1, send_partition), Position(unit, chunk), []
        )

    def finish(self, app_id: str, unit: int, published: int, held: int = 0, **more: Any) -> None:
        line = {
            "published": published,
            "held": held,
            "excluded": {"no_consent": 2},
            "failed": {"render_type": 1},
        }
        self.manifests.finish(app_id, unit, {"campaigns": {"spring_letter": {"sms": line}}, **more})

    def wait(self, *message_ids: str, until: datetime = NOW) -> None:
        """Messages of the run that wait, all until then."""
        own = {"state": "open", "owner": "triggered-holds", "run": self.pipeline, "held_at": NOW}
        due = {"due_at": until, "due_date": until.date()}
        self._append(
            "holds",
            [{**self.decision(one), **own, **due, "hold_id": f"hold-{one}"} for one in message_ids],
        )

    def decide(self, *rows: Row) -> None:
        """Rows of the ledger."""
        self._append("ledger", rows)

    def decision(self, message_id: str, **changes: Any) -> Row:
        """A row of the ledger: a message that the run has decided to send."""
        own = {"source": "run", "source_id": self.run_id, "campaign_id": "spring_letter", "channel": "sms"}
        ids = {"decision_id": f"d-{message_id}", "message_id": message_id, "pipeline": self.pipeline}
        own["campaign_version"] = self.version
        return ledger_row(**{**own, **ids, **changes})

    def _append(self, name: str, rows: Iterable[Row]) -> None:
        declared = table(name)
        known = [{column: row.get(column) for column in declared.column_names} for row in rows]
        self.tables.append(declared, pa.Table.from_pylist(known, declared.arrow_schema()))

    def look(self, later: timedelta = timedelta()) -> dict[str, Any]:
        found: dict[str, Any] = self.read(lambda reader, now: reader.run(self.run, now).to_dict(), later)
        return found

    def read(self, ask: Any, later: timedelta = timedelta()) -> Any:
        reader = StatusReader(self.objects, Tables(self.settings.lake), self.settings.kafka.librdkafka())
        try:
            return ask(reader, datetime.now(timezone.utc) + later)
        finally:
            reader.close()
