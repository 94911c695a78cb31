"""What a driver remembers: new files are read, old ones are not read again, and what is gone is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.lake import DeltaLake
from pipelines.edges.memory import CONSENTS, SUPPRESSIONS, Memory
from pipelines.edges.tables import Tables
from pipelines.holds import Ending
from pipelines.identity import uuid5
from schemas.tables import Table, table
from tests.builders import (
    NOW,
    Row,
    audience_row,
    change_row,
    closing_row,
    frame,
    hold_row,
    ledger_row,
    suppression_row,
)

LEDGER, AUDIENCE, HOLDS = table("ledger"), table("audience"), table("holds")


def append(lake: DeltaLake, where: Table, rows: list[Row], unit: int) -> None:
    lake.append_few(where, pa.Table.from_pylist(rows, where.arrow_schema()), "test", unit)


def test_message_ids_are_known_across_files_and_kinds(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), Memory(Tables(settings.lake))
    ids = pa.array([uuid5("seen", str(n)) for n in range(300)] + [None])
    assert not any(memory.seen.among(ids).to_pylist())
    for unit in range(70):
        rows = [
            ledger_row(message_id=uuid5("seen", str(2 * unit)), decided_at=NOW + unit * timedelta(hours=1))
        ]
        if unit == 7:
            rows.append(ledger_row(message_id=uuid5("seen", "1"), source="run"))
        append(lake, LEDGER, rows, unit)
        if unit in (3, 66, 69):
            found = memory.seen.among(ids).to_pylist()
            assert [n for n, is_seen in enumerate(found) if is_seen] == list(range(0, 2 * unit + 1, 2))
    # A rewritten table is read anew.
    opened = lake.tables.newest(LEDGER)
    assert opened is not None
    opened.delete(f"message_id = '{uuid5('seen', '4')}'")
    found = memory.seen.among(ids).to_pylist()
    assert [n for n, is_seen in enumerate(found) if is_seen] == [n for n in range(0, 139, 2) if n != 4]


def test_changes_are_those_that_can_concern_a_candidate(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), Memory(Tables(settings.lake))
    customers = pa.array([audience_row("c-1"), None], pa.struct(list(AUDIENCE.arrow_schema())))
    candidates = pa.table({"customer_id": ["c-1", "c-2"], "customer": customers})
    assert memory.changes(CONSENTS, candidates).num_rows == 0
    append(lake, CONSENTS, [change_row(), change_row("c-3")], 0)
    append(lake, CONSENTS, [change_row("c-2")], 1)
    assert sorted(memory.changes(CONSENTS, candidates)["customer_id"].to_pylist()) == ["c-1", "c-2"]
    told = [
        suppression_row("customer", "c-2"),
        suppression_row("address", "c-1@EXAMPLE.org "),
        suppression_row("domain", "example.org"),
        suppression_row("address", "c-9@example.org"),
    ]
    append(lake, SUPPRESSIONS, told, 0)
    assert sorted(memory.changes(SUPPRESSIONS, candidates)["kind"].to_pylist()) == [
        "address",
        "customer",
        "domain",
    ]


def hold(number: int, customer_id: str, campaign_id: str = "welcome", **changes: str) -> Row:
    """Due on one of three days."""
    about = {"customer_id": customer_id, "campaign_id": campaign_id, "data": f'{{"number": {number}}}'}
    return hold_row(f"h-{number}", NOW + number % 3 * timedelta(days=1), **about, **changes)


def test_open_holds_of_a_few_are_those_that_spark_finds(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), Memory(Tables(settings.lake))
    ending = Ending(["c-1", "c-5"], {"c-2", "c-3", "nobody"}, {"welcome"})
    assert memory.holds.of("triggered-holds", ending, -1).num_rows == 0
    is_asked = "customer_id IN ('c-1', 'c-5') OR customer_id IN ('c-2', 'c-3') AND campaign_id = 'welcome'"

    def check(*numbers: int) -> None:
        found = memory.holds.of("triggered-holds", ending, lake.version(HOLDS))
        rows = lake.read(HOLDS).where("owner = 'triggered-holds'")
        closed = rows.where("state = 'closed'").select("hold_id")
        opened = rows.where("state = 'open'").join(closed, on="hold_id", how="left_anti")
        by_spark = opened.where(is_asked)
        same = by_spark.select(*found.column_names).orderBy("hold_id").toArrow().to_pylist()
        assert found.sort_by("hold_id").to_pylist() == same
        assert {row["hold_id"] for row in same} == {f"h-{n}" for n in numbers}

    others = [hold(10, "c-1", owner="other-holds"), hold(11, "c-2", "letter"), hold(12, "c-5", "letter")]
    append(lake, HOLDS, [hold(number, f"c-{number}") for number in range(10)] + others, 0)
    check(1, 2, 3, 5, 12)
    append(lake, HOLDS, [closing_row(hold(2, "c-2")), hold(13, "c-3"), hold(14, "c-9")], 1)
    check(1, 3, 5, 12, 13)
    opened = lake.tables.newest(HOLDS)
    assert opened is not None
    opened.delete("hold_id IN ('h-2', 'h-5')")
    check(1, 3, 12, 13)


@pytest.mark.usefixtures("spark")
def test_customers_are_found_in_the_version_asked_for(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), Memory(Tables(settings.lake))
    lake.ensure(AUDIENCE)
    versions = []
    for locale in ("en", "de-AT"):
        people = [audience_row(f"c-{n}", locale=locale) for n in range(50)]
        lake.replace(AUDIENCE, frame(spark, people, AUDIENCE.schema()).repartition(3))
        versions.append(lake.version(AUDIENCE))
    asked = pa.array(["c-7", "nobody", "c-7", "c-49", None])
    for version, locale in zip(versions, ("en", "de-AT"), strict=True):
        found = memory.customers.find(asked, version).to_pylist()
        assert [row and (row["customer_id"], row["locale"]) for row in found] == [
            ("c-7", locale), None, ("c-7", locale), ("c-49", locale), None,
        ]  # fmt: skip
        assert found[0] == audience_row("c-7", locale=locale)
    assert memory.customers.find(pa.array([], pa.string()), versions[0]).to_pylist() == []


def test_whom_the_snapshot_lacks_is_known_as_nobody(spark: SparkSession, settings: Settings) -> None:
    lake, memory = DeltaLake(spark, settings.lake), Memory(Tables(settings.lake))
    lake.ensure(AUDIENCE)
    lake.replace(AUDIENCE, frame(spark, [audience_row("c-1")], AUDIENCE.schema()))
    names = pa.array(["c-1", "nobody"])
    found = pa.table({"name": names, "customer": memory.customers.find(names, lake.version(AUDIENCE))})
    rows = spark.createDataFrame(found).orderBy("name").collect()
    assert [row.customer and row.customer.customer_id for row in rows] == ["c-1", None]


def test_a_version_that_is_known_is_not_asked_for_again(spark: SparkSession, settings: Settings) -> None:
    lake, tables = DeltaLake(spark, settings.lake), Tables(settings.lake)
    assert tables.at_least(CONSENTS, -1) is tables.at_least(CONSENTS, 0) is None
    append(lake, CONSENTS, [change_row()], 0)
    first = tables.at_least(CONSENTS, 0)
    assert first is not None
    known = first.version()
    append(lake, CONSENTS, [change_row("c-2")], 1)
    assert tables.at_least(CONSENTS, -1) is tables.at_least(CONSENTS, known) is first
    assert first.version() == known
    newer = tables.at_least(CONSENTS, known + 1)
    assert newer is not None
    assert newer.version() == known + 1
