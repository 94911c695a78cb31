"""Compacting the ledger: each epoch leaves a file of its own, and whoever asks must open them all.

Invariant: no row changes, and only days that are over are touched: nothing is appended to them any more but the end of
an epoch that was under way at midnight. Earlier versions stay readable until `carillon erase` has deleted their files.
"""

from __future__ import annotations

from datetime import date

from pipelines.edges.tables import Tables
from schemas.tables import table


def compact(tables: Tables, today: date) -> dict[str, int]:
    """Few files out of many, of the ledger's days before `today`; returns how many were read and written. A second
    time there is nothing to do."""
    past = [("decided_date", "<", today.isoformat())]
    done = tables.rewrite(table("ledger"), lambda found: found.optimize.compact(past)) or {}
    return {"read": int(done.get("numFilesRemoved", 0)), "written": int(done.get("numFilesAdded", 0))}
