"""A scan gives every row once, whatever files a table has, and says what it cannot read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures, WriterProperties, write_deltalake

from conf import Settings
from pipelines.edges import scans
from pipelines.edges.objects import ObjectStore
from pipelines.edges.scans import TableScan
from pipelines.edges.tables import Tables
from pipelines.errors import InputError
from schemas.tables import Table, table
from tests.builders import ledger_row

LEDGER = table("ledger")


def write(settings: Settings, declared: Table, pipeline: str, *numbers: int) -> None:
    rows = [ledger_row(decision_id=f"d-{n}", pipeline=pipeline, unit=n) for n in numbers]
    schema = declared.arrow_schema()
    kept = [{name: row.get(name) for name in schema.names} for row in rows]
    Tables(settings.lake).append(declared, pa.Table.from_pylist(kept, schema))


def read(settings: Settings, scan: TableScan) -> list[dict[str, object]]:
    parts, _ = Tables(settings.lake).parts(scan)
    return [row for part in parts for batch in scan.read(part) for row in batch.to_pylist()]


def test_each_row_comes_once_and_files_that_cannot_hold_one_are_left_out(settings: Settings) -> None:
    for pipeline in ("run-a", "run-b"):
        write(settings, LEDGER, pipeline, *range(5))
        write(settings, LEDGER, pipeline, *range(5, 8))
    scan = TableScan(settings.lake, LEDGER, ("decision_id",), (("pipeline", "run-a"), ("unit", 6)))
    assert read(settings, scan) == [{"decision_id": "d-6"}]
    parts, rows = Tables(settings.lake).parts(scan)
    assert (len(parts), rows) == (1, 16)
    whole = TableScan(settings.lake, LEDGER, ("pipeline", "unit"))
    assert Counter((row["pipeline"], row["unit"]) for row in read(settings, whole)) == Counter(
        (pipeline, unit) for pipeline in ("run-a", "run-b") for unit in range(8)
    )


def test_a_large_file_is_shared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "_PART_BYTES", 5_000)
    rows = pa.Table.from_pylist(
        [ledger_row(decision_id=f"d-{n}") for n in range(1_000)], LEDGER.arrow_schema()
    )
    write_deltalake(
        settings.lake.delta_uri("ledger"),
        rows,
        storage_options=settings.lake.object_store(),
        partition_by=list(LEDGER.partition_by),
        writer_properties=WriterProperties(max_row_group_size=100),
    )
    scan = TableScan(settings.lake, LEDGER, ("decision_id",))
    parts, _ = Tables(settings.lake).parts(scan)
    assert len({part.path for part in parts}) == 1 < len(parts)
    assert sorted(str(row["decision_id"]) for row in read(settings, scan)) == sorted(
        f"d-{n}" for n in range(1_000)
    )


def test_a_column_that_a_file_is_older_than_is_null(settings: Settings) -> None:
    older = replace(LEDGER, columns=tuple(one for one in LEDGER.columns if one.name != "category"))
    write(settings, older, "run-a", 1)
    scan = TableScan(settings.lake, LEDGER, ("decision_id", "category"))
    assert read(settings, scan) == [{"decision_id": "d-1", "category": None}]


def test_a_file_that_is_gone_is_named(settings: Settings) -> None:
    write(settings, LEDGER, "run-a", 1)
    scan = TableScan(settings.lake, LEDGER, ("decision_id",))
    ((part,), _) = Tables(settings.lake).parts(scan)
    ObjectStore(settings.lake).delete(f"ledger/{part.path}")
    with pytest.raises(InputError, match=f"a data file of the lake is gone: s3a://.*{part.path}"):
        list(scan.read(part))


def test_a_table_whose_files_hold_more_than_it_does_is_refused(settings: Settings) -> None:
    write(settings, LEDGER, "run-a", 1)
    options = settings.lake.object_store()
    opened = DeltaTable(settings.lake.delta_uri("ledger"), storage_options=options)
    opened.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(InputError, match=r"'ledger' in s3a://.* uses deletionVectors"):
        Tables(settings.lake).parts(TableScan(settings.lake, LEDGER, ("unit",)))
