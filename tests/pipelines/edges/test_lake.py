"""An append happens once, whether its repetition comes later or at the same moment."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines.edges.creating import make_table
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import Tables
from pipelines.edges.turns import Turn
from pipelines.errors import InputError
from schemas.tables import TABLES, Table, table
from tests.at_once import at_once
from tests.builders import frame, ledger_row

LEDGER = table("ledger")


@pytest.mark.integration
def test_two_drivers_that_record_one_unit_at_the_same_time_record_it_once(
    spark: SparkSession, settings: Settings
) -> None:
    lake = DeltaLake(spark, settings.lake)
    lake.ensure(LEDGER)
    failures: list[BaseException] = []

    def record(rows: DataFrame, unit: int) -> None:
        try:
            lake.append_once(LEDGER, rows, "run-x/run/decide", unit)
        except BaseException as error:
            failures.append(error)

    for unit in range(4):
        own = [frame(spark, [ledger_row(unit=unit)], LEDGER.schema()) for _ in range(2)]
        at_once(*(partial(record, rows, unit) for rows in own))
    assert failures == []
    assert sorted(row.unit for row in lake.read(LEDGER).collect()) == [0, 1, 2, 3]
    assert lake.last_appended(LEDGER, "run-x/run/decide") == 3


def test_an_append_of_a_turn_that_was_taken_over_is_skipped(spark: SparkSession, settings: Settings) -> None:
    lake = DeltaLake(spark, settings.lake)
    lake.ensure(LEDGER)
    slow, next_one = Turn(1, None), Turn(2, 4)
    lake.append_nothing(LEDGER, "decide", next_one.fence or 0)
    for turn in (slow, next_one):
        rows = frame(spark, [ledger_row(unit=turn.number)], LEDGER.schema())
        lake.append_once(LEDGER, rows, "decide", turn.version)
    assert [row.unit for row in lake.read(LEDGER).collect()] == [2]


def test_a_table_gets_the_columns_that_were_declared_since(spark: SparkSession, settings: Settings) -> None:
    lake = DeltaLake(spark, settings.lake)
    older = replace(LEDGER, columns=tuple(c for c in LEDGER.columns if c.name != "category"))
    lake.ensure(older)
    old = {name: value for name, value in ledger_row().items() if name != "category"}
    lake.append_once(older, frame(spark, [old], older.schema()), "run-x/run/decide", 0)
    assert [row.category for row in lake.read(LEDGER).collect()] == [None]
    lake.ensure(LEDGER)
    rows = frame(spark, [ledger_row(category="news")], LEDGER.schema())
    lake.append_once(LEDGER, rows, "run-x/run/decide", 1)
    assert sorted(str(row.category) for row in lake.read(LEDGER).collect()) == ["None", "news"]


def test_two_drivers_that_begin_with_an_empty_lake_make_one_table(
    spark: SparkSession, settings: Settings
) -> None:
    failures: list[BaseException] = []

    def begin(lake: DeltaLake) -> None:
        try:
            lake.ensure(table("holds"))
        except BaseException as error:
            failures.append(error)

    at_once(*(partial(begin, DeltaLake(spark, settings.lake)) for _ in range(2)))
    assert failures == []
    assert DeltaLake(spark, settings.lake).version(table("holds")) == 0


def test_a_table_is_made_as_spark_would_make_it(spark: SparkSession, settings: Settings) -> None:
    DeltaLake(spark, settings.lake).ensure(LEDGER)
    made = DeltaTable.forPath(spark, settings.lake.uri(LEDGER.name))
    builder = DeltaTable.create(spark).location(settings.lake.uri("by-spark"))
    builder.addColumns(LEDGER.schema()).partitionedBy(*LEDGER.partition_by).execute()
    other = DeltaTable.forPath(spark, settings.lake.uri("by-spark"))
    same = ["format", "partitionColumns", "properties", "minReaderVersion", "minWriterVersion"]
    assert made.detail().select(same).first() == other.detail().select(same).first()
    assert made.toDF().schema == other.toDF().schema


@pytest.mark.integration
@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_the_columns_of_a_table_that_is_made_are_those_of_its_declaration(
    declared: Table, settings: Settings
) -> None:
    make_table(settings.lake, declared)
    opened = Tables(settings.lake).find(declared)
    assert opened is not None
    assert json.loads(opened.schema().to_json()) == declared.schema().jsonValue()
    assert opened.metadata().partition_columns == list(declared.partition_by)


def test_a_table_whose_creation_was_killed_before_its_first_commit_is_created(
    spark: SparkSession, settings: Settings
) -> None:
    objects = ObjectStore(settings.lake)
    objects.write("holds/_delta_log/", b"")
    lake = DeltaLake(spark, settings.lake)
    lake.ensure(table("holds"))
    assert lake.version(table("holds")) == 0


def test_a_folder_with_somebodys_data_is_no_table_and_is_left_alone(
    spark: SparkSession, settings: Settings
) -> None:
    objects = ObjectStore(settings.lake)
    objects.write("holds/notes.txt", b"mine")
    with pytest.raises(InputError, match=r"cannot be made in \S+/holds: 'notes.txt' is there"):
        DeltaLake(spark, settings.lake).ensure(table("holds"))
    assert objects.read("holds/notes.txt") == b"mine"
