"""Ids in Spark are ids in Python, byte for byte; shards do not move."""

from __future__ import annotations

import uuid
import zlib

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.identity import (
    NAMESPACE,
    SEPARATOR,
    message_id_column,
    send_partition_column,
    uuid5,
    uuid5_column,
    uuid5_of,
)

TEXT = st.text(max_size=40)
EDGES: list[tuple[str | None, str | None]] = [
    ("", ""),
    (None, None),
    (None, "a"),
    ("a", None),
    ("", "a"),
    ("a", ""),
    ("é", "e\u0301"),
    ("🙂\u0000", "\U0010ffff"),
    (SEPARATOR, ""),
    ("", SEPARATOR),
    ("x" * 10_000, " "),
]


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), min_size=50, max_size=200))
def examples_of_pairs(pairs: list[tuple[str | None, str | None]]) -> None:
    _PAIRS.extend(pairs)


_PAIRS: list[tuple[str | None, str | None]] = []


def test_the_column_is_the_function(spark: SparkSession) -> None:
    examples_of_pairs()  # all examples in one Spark job
    pairs = [*EDGES, *_PAIRS]
    rows = [(number, *pair) for number, pair in enumerate(pairs)]
    frame = spark.createDataFrame(rows, "n int, a string, b string")
    found = frame.orderBy("n").select(
        uuid5_column(F.col("a"), F.col("b")).alias("two"),
        uuid5_column(F.col("a")).alias("one"),
        send_partition_column(F.coalesce("a", F.lit("")), 16).alias("shard"),
    )
    assert [tuple(row) for row in found.collect()] == [
        (uuid5(a or "", b or ""), uuid5(a or ""), zlib.crc32((a or "").encode()) % 16) for a, b in pairs
    ]


def test_ids_are_uuids_of_version_5_in_our_namespace() -> None:
    assert str(NAMESPACE) == str(uuid.uuid5(uuid.NAMESPACE_DNS, "carillon.example.org"))
    made = uuid.UUID(uuid5("welcome", "t-1", "c-1", "email"))
    assert (made.version, made.variant) == (5, uuid.RFC_4122)
    # Written down: a release that computes another id would send everybody everything again.
    assert str(made) == "38913ed9-555f-52b4-819e-e8d82a893ed0"


def test_parts_do_not_run_together() -> None:
    assert len({uuid5("ab", "c"), uuid5("a", "bc"), uuid5("abc"), uuid5("abc", ""), uuid5("", "abc")}) == 5


def test_message_ids_and_shards_as_they_have_always_been(spark: SparkSession) -> None:
    row = spark.range(1).select(
        message_id_column(F.lit("welcome"), F.lit("t-1"), F.lit("c-1"), F.lit("email")).alias("id"),
        message_id_column(F.lit("welcome"), F.lit("t-1"), F.lit("c-1"), F.lit(None)).alias("without"),
        send_partition_column(F.lit("c-1"), 7).alias("seven"),
        send_partition_column(F.lit("Ünïcødé"), 7).alias("seven_more"),
    )
    found = row.collect()[0]
    assert found.id == uuid5("welcome", "t-1", "c-1", "email")
    assert found.without == uuid5("welcome", "t-1", "c-1", "")
    assert (found.seven, found.seven_more) == (0, 1)


@given(st.lists(TEXT, max_size=2), st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), max_size=20))
def test_ids_of_many_are_the_ids_of_each(
    prefix: list[str], pairs: list[tuple[str | None, str | None]]
) -> None:
    columns = [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]
    expected = [uuid5(*prefix, *(part or "" for part in pair)) for pair in pairs]
    assert uuid5_of(prefix, *columns).to_pylist() == expected
