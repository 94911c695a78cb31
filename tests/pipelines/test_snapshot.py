"""An extract fits the audience contract or is refused: added, missing, renamed and retyped columns."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.snapshot import RefusedError, build_snapshot, conform, contract_columns
from schemas.tables import table
from tests.builders import audience_row, frame, suppression_row

ROWS = [audience_row("c-1"), audience_row("c-2", email="not an address", phone=None)]


@pytest.fixture(scope="module")
def extract(spark: SparkSession) -> DataFrame:
    return frame(spark, ROWS, contract_columns())


def test_additive_drift_passes_and_order_does_not_matter(extract: DataFrame) -> None:
    drifted = extract.select(*reversed(extract.columns)).withColumn("shoe_size", F.lit(42))
    assert_df_equality(conform(drifted), extract, ignore_nullable=True)


def test_a_snapshot_whole(spark: SparkSession, extract: DataFrame) -> None:
    expected = [ROWS[0], {**ROWS[1], "invalid_channels": ["email"]}]
    # A column that the build derives is not taken from the extract.
    drifted = extract.withColumn("invalid_channels", F.array(F.lit("sms")))
    assert_df_equality(
        build_snapshot(drifted), frame(spark, expected, table("audience").schema()), ignore_nullable=True
    )


def test_whoever_was_erased_is_left_out_although_the_extract_names_them(
    spark: SparkSession, extract: DataFrame
) -> None:
    ids = [row["customer_id"] for row in ROWS]
    said = [suppression_row(text=ids[0], cause="erased"), suppression_row(text=ids[1], cause="complaint")]
    suppressions = frame(spark, said, table("suppressions").schema())
    left = build_snapshot(extract, suppressions).select("customer_id").collect()
    assert [row.customer_id for row in left] == ids[1:]


def renamed(old: str, new: str) -> Any:
    return lambda rows: rows.withColumnRenamed(old, new)


def retyped(column: str, ddl: str) -> Any:
    return lambda rows: rows.withColumn(column, F.lit(None).cast(ddl))


@pytest.mark.parametrize(
    ("drift", "complaint"),
    [
        (lambda rows: rows.drop("locale"), r"column 'locale' is missing(;|\.) (?!the extract has)"),
        (renamed("phone", "phone_number"), r"column 'phone' is missing; the extract has 'phone_number'"),
        (renamed("loyalty_points", "loyalty_point"), r"is missing; the extract has 'loyalty_point'"),
        (retyped("email", "int"), r"column 'email' is int, expected string"),
        (retyped("loyalty_points", "string"), r"column 'loyalty_points' is string, expected bigint"),
        (retyped("loyalty_points", "double"), r"column 'loyalty_points' is double, expected bigint"),
        (retyped("lifetime_value", "double"), r"column 'lifetime_value' is double, expected decimal\(12,2\)"),
        (retyped("lifetime_value", "decimal(12,3)"), r"is decimal\(12,3\), expected decimal\(12,2\)"),
        (retyped("lifetime_value", "decimal(13,2)"), r"is decimal\(13,2\), expected decimal\(12,2\)"),
        (retyped("birth_date", "timestamp"), r"column 'birth_date' is timestamp, expected date"),
        (retyped("segments", "string"), r"column 'segments' is string, expected array<string>"),
        (retyped("consents", "array<struct<channel string, topic string>>"), r"column 'consents' is array"),
    ],
)
def test_breaking_drift_is_refused(extract: DataFrame, drift: Any, complaint: str) -> None:
    with pytest.raises(RefusedError, match=complaint):
        conform(drift(extract))


def test_no_list_is_an_empty_one(extract: DataFrame) -> None:
    lists = ("segments", "recent_orders", "consents")
    bare = extract
    for name in lists:
        bare = bare.withColumn(name, F.lit(None).cast(extract.schema[name].dataType))
    assert [row.asDict() for row in conform(bare).select(*lists).collect()] == [
        {"segments": [], "recent_orders": [], "consents": []}
    ] * 2


def test_all_faults_are_named_at_once(extract: DataFrame) -> None:
    with pytest.raises(RefusedError) as caught:
        conform(extract.drop("locale", "customer_id").withColumn("email", F.lit(1)))
    named = re.findall(r"column '(\w+)'", str(caught.value))
    assert named == ["customer_id", "email", "locale"]


@pytest.mark.parametrize(
    ("column", "ddl"),
    [
        ("loyalty_points", "int"),
        ("loyalty_points", "smallint"),
        ("loyalty_points", "tinyint"),
        ("lifetime_value", "decimal(10,2)"),
        ("lifetime_value", "decimal(10,0)"),
        ("signup_at", "timestamp_ntz"),
    ],
)
def test_types_whose_cast_loses_nothing_pass(extract: DataFrame, column: str, ddl: str) -> None:
    widened = conform(extract.withColumn(column, F.lit(None).cast(ddl)))
    assert widened.schema.simpleString() == extract.schema.simpleString()
