"""The decisions about a customer are those that a query of the whole ledger finds."""

from __future__ import annotations

import pyarrow as pa
import pytest

from conf import Settings
from pipelines.edges import mirror
from pipelines.edges.about import LEDGER, decisions_about
from pipelines.edges.sql import literal
from pipelines.edges.tables import Tables
from pipelines.stories import STORY_COLUMNS
from tests.builders import NOW, ledger_row

COLUMNS = ("customer_id", *STORY_COLUMNS)
GATES = [{"gate": "consent", "passed": True, "value": "granted"}]


@pytest.fixture
def tables(settings: Settings) -> Tables:
    """A ledger of five files: the same five customers in four of them, by two campaigns in turn, and others whose names
    come later in the last."""
    made = Tables(settings.lake)
    for number in range(4):
        rows = [
            ledger_row(
                decision_id=f"d-{number}-{n}",
                customer_id=f"c-{n}",
                campaign_id=("welcome", "letter")[number % 2],
                gates=GATES[:number],
            )
            for n in range(5)
        ]
        made.append(LEDGER, pa.Table.from_pylist(rows, LEDGER.arrow_schema()))
    later = [ledger_row(customer_id=f"x-{n}") for n in range(3)]
    made.append(LEDGER, pa.Table.from_pylist(later, LEDGER.arrow_schema()))
    return made


@pytest.mark.integration
@pytest.mark.parametrize(
    ("customers", "campaign_id", "found"),
    [
        ({"c-3"}, None, 4),
        ({"c-3", "pseudonym"}, "letter", 2),
        ({"c-0", "x-2"}, None, 5),
        ({"c-3"}, "other", 0),
        ({"c-33"}, None, 0),
        ({"c-3' OR '1'='1"}, None, 0),
    ],
)
def test_the_rows_are_those_of_a_query(
    tables: Tables, customers: set[str], campaign_id: str | None, found: int
) -> None:
    told = decisions_about(tables, customers, STORY_COLUMNS, campaign_id)
    where = f"customer_id IN ({', '.join(map(literal, customers))})"
    where += f" AND campaign_id = {literal(campaign_id)}" if campaign_id else ""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    queried = tables.query(LEDGER, f"SELECT {columns} FROM t WHERE {where}")
    assert sorted(map(str, ({name: row[name] for name in COLUMNS} for row in told))) == sorted(
        map(str, queried)
    )
    assert len(told) == found
    assert all(row["decided_at"] == NOW for row in told)


@pytest.mark.integration
def test_a_file_without_the_customer_is_not_read(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []
    original = mirror._read

    def note(files: object, name: str, schema: pa.Schema) -> pa.Table:
        read.append(schema.names)
        return original(files, name, schema)

    monkeypatch.setattr(mirror, "_read", note)
    assert len(decisions_about(tables, {"x-1"}, STORY_COLUMNS)) == 1
    assert read == [["customer_id"], list(COLUMNS)]


@pytest.mark.integration
def test_without_a_ledger_nothing_is_told(settings: Settings) -> None:
    assert decisions_about(Tables(settings.lake), {"c-1"}, STORY_COLUMNS) == []
