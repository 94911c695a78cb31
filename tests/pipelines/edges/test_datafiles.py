"""What tasks write as files is what Spark and delta-rs read: same rows, true bounds, once however often it is tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from conf import Settings
from pipelines.edges import datafiles
from pipelines.edges.datafiles import FILE_COLUMNS, FileTask, statistics_of
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import DataFile, Tables
from schemas.tables import table
from tests.at_once import at_once
from tests.builders import NOW, ledger_row

LEDGER = table("ledger")
DAY = {"decided_date": NOW.date().isoformat()}


def decisions(*numbers: int) -> pa.Table:
    rows = [
        ledger_row(
            decision_id=f"d-{number:04}",
            customer_id=f"c-{number}",
            reason="no_consent" if number % 2 else None,
            decision="excluded" if number % 2 else "sent",
            due_at=NOW,
            decided_at=NOW,
            decided_date=NOW.date(),
        )
        for number in numbers
    ]
    return pa.Table.from_pylist(rows, schema=LEDGER.arrow_schema())


def test_statistics_whole() -> None:
    at = datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=timezone.utc)
    rows = pa.table(
        {
            "name": pa.array(["b", None, "é", "a"]),
            "long": pa.array(["x" * 65] * 4),
            "nothing": pa.nulls(4, pa.string()),
            "number": pa.array([3, 1, 2, None], pa.int64()),
            "at": pa.array([at, None, at, at], pa.timestamp("us", "UTC")),
            "flag": pa.array([True, False, None, True]),
            "many": pa.array([["x"], [], None, ["y", "z"]]),
        }
    )
    sink = pa.BufferOutputStream()
    # Two row groups, so that bounds are those of the whole file.
    pq.write_table(rows, sink, row_group_size=2)
    found = statistics_of(pq.read_metadata(pa.BufferReader(sink.getvalue())))
    at_text = "2026-03-01T09:00:00.123456Z"
    assert found == {
        "numRecords": 4,
        "minValues": {"name": "a", "number": 1, "at": at_text},
        "maxValues": {"name": "é", "number": 3, "at": at_text},
        "nullCount": {"name": 1, "long": 0, "nothing": 4, "number": 1, "at": 1, "flag": 1},
    }


def test_a_bound_that_a_row_group_does_not_tell_is_no_bound_of_the_file() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"name": ["a", "b"]}), sink, write_statistics=False)
    found = statistics_of(pq.read_metadata(pa.BufferReader(sink.getvalue())))
    assert found == {"numRecords": 2, "minValues": {}, "maxValues": {}, "nullCount": {}}
    sink = pa.BufferOutputStream()
    # Parquet's writer leaves out bounds of more than 4 KB.
    pq.write_table(pa.table({"name": ["a", "b" * 5_000]}), sink, row_group_size=1)
    found = statistics_of(pq.read_metadata(pa.BufferReader(sink.getvalue())))
    assert (found["minValues"], found["maxValues"], found["nullCount"]) == ({}, {}, {"name": 0})


@pytest.mark.integration
def test_rows_become_files_of_bounded_size(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafiles, "_GROUP_ROWS", 4)
    monkeypatch.setattr(datafiles, "_FILE_BYTES", 1)
    task = FileTask(settings.lake, "scratch", DAY)
    parts = [decisions(*range(start, start + 2)) for start in range(0, 10, 2)]
    files = [row for batch in task(parts) for row in batch.to_pylist()]
    assert [json.loads(file["stats"])["numRecords"] for file in files] == [4, 4, 2]
    rows = []
    for file in files:
        assert file["path"].startswith(f"decided_date={NOW.date()}/part-")
        content = ObjectStore(settings.lake).read(f"scratch/{file['path']}")
        assert content is not None
        assert len(content) == file["size"]
        rows.append(pq.read_table(pa.BufferReader(content)))
    assert pa.concat_tables(rows) == pa.concat_tables(parts).drop_columns("decided_date")
    assert list(task([])) == []
    assert list(task([decisions()])) == []


def test_files_of_tasks_are_rows_of_the_table_once(spark: SparkSession, settings: Settings) -> None:
    lake = DeltaLake(spark, settings.lake)
    task, calls = FileTask(settings.lake, LEDGER.name, DAY), spark.sparkContext.accumulator(0)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        calls.add(1)
        numbers = [n for batch in batches for n in batch["id"].to_pylist()]
        return task([decisions(*numbers)])

    files = spark.range(40, numPartitions=2).mapInArrow(write, FILE_COLUMNS)
    assert lake.append_files(LEDGER, files, DAY, "run-x/run/decide", 0)
    assert not lake.append_files(LEDGER, files, DAY, "run-x/run/decide", 0)
    assert calls.value == 2  # the second attempt has not even run them
    assert lake.append_files(LEDGER, files.limit(0), DAY, "run-x/run/decide", 1)
    rows = lake.read(LEDGER)
    assert rows.orderBy("decision_id").toArrow().to_pylist() == decisions(*range(40)).to_pylist()
    assert rows.where(F.col("decision_id") == "d-0007").count() == 1
    assert (
        rows.where((F.col("decided_at") == F.lit(NOW)) & (F.col("decided_date") == NOW.date())).count() == 40
    )
    found = Tables(settings.lake).query(LEDGER, "SELECT decision_id FROM t WHERE decision_id >= 'd-0038'")
    assert sorted(row["decision_id"] for row in found) == ["d-0038", "d-0039"]


def test_of_two_drivers_that_wrote_one_unit_the_files_of_one_count(
    spark: SparkSession, settings: Settings
) -> None:
    lake = DeltaLake(spark, settings.lake)
    lake.ensure(LEDGER)
    won = []

    def driver(unit: int) -> Callable[[], bool]:
        task = FileTask(settings.lake, LEDGER.name, DAY)
        written = [DataFile(**row) for batch in task([decisions(unit)]) for row in batch.to_pylist()]
        tables = Tables(settings.lake)
        tables.newest(LEDGER)
        return partial(tables.add_files_once, LEDGER, written, DAY, "run-x/run/decide", unit)

    for unit in range(4):
        won += [(unit, is_first) for is_first in at_once(driver(unit), driver(unit))]
    assert sorted(won) == [(unit, is_first) for unit in range(4) for is_first in (False, True)]
    assert sorted(row.decision_id for row in lake.read(LEDGER).collect()) == [f"d-000{n}" for n in range(4)]


def test_a_stream_of_rows_of_one_table_is_appended_to_another_once(
    spark: SparkSession, settings: Settings
) -> None:
    lake = DeltaLake(spark, settings.lake)
    lake.append_few(LEDGER, decisions(*range(20)), "run-x/run/decide", 0)
    asked = []

    def rows() -> Iterator[pa.Table]:
        asked.append(1)
        for part in lake.tables.stream(LEDGER, "SELECT * FROM t ORDER BY decision_id"):
            yield part.cast(LEDGER.arrow_schema())

    assert lake.append_stream(LEDGER, rows, "copy", 0)
    assert not lake.append_stream(LEDGER, rows, "copy", 0)
    assert asked == [1]
    assert lake.read(LEDGER).count() == 40
