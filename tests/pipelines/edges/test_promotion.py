"""The audience build on real S3: promoted when it meets its expectations, else refused without showing anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from conf import Settings
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from pipelines.edges.promotion import build_audience
from pipelines.errors import InputError
from pipelines.snapshot import RefusedError, contract_columns
from schemas.tables import table
from tests.builders import NOW, Row, audience_row, frame

#: An extract may hold what the contract forbids.
LOOSE = StructType([StructField(field.name, field.dataType) for field in contract_columns().fields])


class Builds:
    """Extracts of one lake and what came of them."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self._spark = spark
        self._settings = settings
        self._count = 0
        self.pointer = AudiencePointer(ObjectStore(settings.lake))

    def build(self, rows: list[Row], accept_row_count: bool = False) -> Snapshot:
        self._count += 1
        uri = f"{self._settings.lake.root}/raw/{self._count}"
        frame(self._spark, rows, LOOSE).write.parquet(uri)
        return build_audience(self._spark, self._settings, uri, NOW.isoformat(), accept_row_count)

    def refusal(self, rows: list[Row]) -> str:
        before = self.pointer.find()
        with pytest.raises(RefusedError) as caught:
            self.build(rows)
        assert self.pointer.find() == before
        text = str(caught.value)
        assert "@example.org" not in text
        assert "c-1" not in text
        return text

    def promoted_rows(self) -> Any:
        version = self.pointer.read().version
        return DeltaLake(self._spark, self._settings.lake).read(table("audience"), version)


@pytest.fixture
def builds(spark: SparkSession, settings: Settings) -> Builds:
    return Builds(spark, settings)


def rows(count: int, start: int = 0) -> list[Row]:
    return [audience_row(f"c-{start + number}") for number in range(count)]


def test_promoted_then_refused_then_accepted(spark: SparkSession, builds: Builds) -> None:
    first = builds.build(rows(10))
    assert builds.pointer.read() == first
    assert (first.rows, first.as_of) == (10, NOW.isoformat())
    assert_df_equality(
        builds.promoted_rows(),
        frame(spark, rows(10), table("audience").schema()),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    text = builds.refusal([*rows(10), audience_row("c-1", email="twice@example.org")])
    assert "expect_column_values_to_be_unique(customer_id): 2 of 11 values do not comply" in text
    assert f"version {first.version} stays in force" in text
    nobody = [audience_row("x") | {"customer_id": None} for _ in range(3)]
    text = builds.refusal([*rows(9), *nobody])
    assert "expect_column_values_to_not_be_null(customer_id): 3 of 12 values do not comply" in text
    text = builds.refusal(rows(4))
    assert "expect_table_row_count_to_be_between: found 4, expected 5 to 20" in text
    assert "--accept-row-count" in text
    # Nobody reads what was refused.
    assert builds.promoted_rows().count() == 10
    second = builds.build(rows(4), accept_row_count=True)
    assert (second.rows, builds.promoted_rows().count()) == (4, 4)
    assert builds.pointer.read() == second


def test_a_first_snapshot_may_have_any_size_but_none(builds: Builds) -> None:
    text = builds.refusal([])
    assert "expect_table_row_count_to_be_between: found 0, expected at least 1" in text
    assert "no snapshot is in force" in text


def test_a_column_of_broken_addresses_is_a_broken_extract(builds: Builds) -> None:
    text = builds.refusal([audience_row(f"c-{n}", email=f"nobody {n}", phone=None) for n in range(8)])
    assert "expect_column_values_to_match_regex(email): 8 of 8 values do not comply" in text
    assert "phone" not in text


def test_an_extract_that_is_not_there_is_one_line(
    spark: SparkSession, settings: Settings, builds: Builds
) -> None:
    uri = f"{settings.lake.root}/raw/none"
    with pytest.raises(InputError, match=f"^the extract '{uri}' cannot be read as Parquet: "):
        build_audience(spark, settings, uri, NOW.isoformat(), False)
    assert builds.pointer.find() is None


def test_an_extract_that_spark_cannot_read_is_one_line(
    spark: SparkSession, settings: Settings, builds: Builds, tmp_path: Path
) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "customers.csv").write_text("ava@example.org,Ava\n" * 100)
    mixed = tmp_path / "mixed"
    frame(spark, rows(3), LOOSE).coalesce(1).write.parquet(str(mixed))
    (whole,) = mixed.glob("*.parquet")
    (mixed / "part-damaged.parquet").write_bytes(whole.read_bytes()[:-100])
    for uri in (str(tmp_path / "text"), str(mixed), "nope://bucket/raw", "s3a:///raw"):
        with pytest.raises(InputError, match=f"^the extract '{uri}' cannot be read as Parquet: ") as caught:
            build_audience(spark, settings, uri, NOW.isoformat(), False)
        assert "--extract s3a://BUCKET/FOLDER" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "ava@" not in str(caught.value)
    assert builds.pointer.find() is None
