"""Compacting on a real S3 endpoint, without Spark: fewer files, the same rows, past days alone."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from conf import Settings
from pipelines.edges.compacting import compact
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import Tables
from schemas.tables import table
from tests.builders import NOW, ledger_row

LEDGER = table("ledger")
DAY = timedelta(days=1)


def test_many_files_of_a_past_day_become_one(settings: Settings) -> None:
    tables, today = Tables(settings.lake), NOW.date()
    assert compact(tables, today) == {"read": 0, "written": 0}
    for number in range(4):
        for date in (today, today - DAY):
            row = ledger_row(decision_id=f"{date} {number}", decided_date=date)
            tables.append(LEDGER, pa.Table.from_pylist([row], LEDGER.arrow_schema()))
    asked = "SELECT * FROM t ORDER BY decision_id"
    before, files = tables.query(LEDGER, asked), ObjectStore(settings.lake).list("ledger/decided_date=")
    assert (len(before), len(files)) == (8, 8)
    assert compact(tables, today) == {"read": 4, "written": 1}
    assert tables.query(LEDGER, asked) == before
    assert compact(tables, today) == {"read": 0, "written": 0}
    # A driver that has pinned an earlier version reads it still.
    assert len(ObjectStore(settings.lake).list("ledger/decided_date=")) == 9
