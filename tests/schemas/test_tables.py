"""The table declarations: complete, and free of what must not be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import tables
from schemas.channels import CHANNELS
from schemas.tables import TABLES, Table, table


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.name)
def test_a_declaration_is_complete(row: Table) -> None:
    names = row.column_names
    assert len(set(names)) == len(names)
    assert set(row.keys) <= set(names)
    assert set(row.partition_by) <= set(names)
    assert row.grain.startswith("one row per ")
    assert row.writer
    assert row.retention_days is None or row.retention_days > 0
    assert all(column.comment.endswith(".") for column in row.columns)
    for key in row.keys:
        assert not row.schema()[key].nullable, key
    assert tuple(row.schema().names) == tuple(row.arrow_schema().names) == names


def test_one_module_per_table() -> None:
    modules = {path.stem for path in Path(tables.__file__).parent.glob("*.py")} - {"__init__", "table"}
    assert modules == {row.name for row in TABLES}


def test_each_channel_finds_its_address_in_the_audience() -> None:
    assert {row.address_column for row in CHANNELS} <= set(table("audience").column_names)


@pytest.mark.parametrize("name", ["ledger", "suppressions"])
def test_what_outlives_a_customer_keeps_no_address_and_no_body(name: str) -> None:
    parts = {part.name for row in CHANNELS for part in row.content_parts}
    assert not set(table(name).column_names) & ({row.address_column for row in CHANNELS} | parts)


def test_unknown_table() -> None:
    with pytest.raises(KeyError, match="audience, consents, "):
        table("ledgers")
