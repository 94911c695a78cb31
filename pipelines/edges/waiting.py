"""How many messages of runs wait, from the holds, without Spark.

Invariant: read at the newest version; of the files only the columns that tell are read. A hold is a run's own, one that
made up for another among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from pipelines.edges.due import run_of_hold
from pipelines.edges.tables import Tables
from schemas.tables import table

HOLDS = table("holds")

_QUESTION = """
SELECT {run} AS run, count(*) AS count, max(due_at) AS last
FROM t AS o
WHERE state = 'open' AND source = 'run' AND NOT EXISTS
  (SELECT 1 FROM t AS c WHERE c.state = 'closed' AND c.due_date = o.due_date AND c.hold_id = o.hold_id)
GROUP BY {run}
"""


@dataclass(frozen=True)
class Waiting:
    """Messages of one run that wait: how many, and when the last of them is due."""

    count: int
    until: datetime


def waiting_by_run(tables: Tables) -> dict[str, Waiting]:
    """Those of each run of which any wait, by its pipeline. Raises `ServerError` when S3 does not answer."""
    run = run_of_hold(tables.has_column(HOLDS, "run"))
    return {
        row["run"]: Waiting(row["count"], row["last"].astimezone(timezone.utc))
        for row in tables.query(HOLDS, _QUESTION.format(run=run))
    }
