"""Variants: weights are kept, the same customer gets the same variant, campaigns do not copy each other."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from pipelines.experiments import (
    HOLDOUT_POINTS,
    VARIANTS_TYPE,
    assign_variant,
    cumulate,
    holdout_points,
    variants_literal,
)

WEIGHTS = {"plain": 50, "question": 25, "gift": 25}
#: The 99.99th percentile of chi-square with two degrees of freedom; the ids are fixed, so is the outcome.
CHI_SQUARE_2_MAX = 18.42
#: The same with nine.
CHI_SQUARE_9_MAX = 33.72


def assigned(
    spark: SparkSession, campaign: str, weights: dict[str, int], ids: DataFrame | None = None
) -> list[str]:
    customers = (
        spark.range(10_000).select(F.format_string("cust-%09d", "id").alias("c")) if ids is None else ids
    )
    column = assign_variant(F.lit(campaign), F.col("c"), variants_literal(weights))
    return [row.v for row in customers.select("c", column.alias("v")).orderBy("c").collect()]


def chi_square(found: Counter[str | None], weights: dict[str, int]) -> float:
    total, share = found.total(), sum(weights.values())
    expected = {name: total * weight / share for name, weight in weights.items()}
    assert set(found) <= set(weights)
    return sum((found[name] - wanted) ** 2 / wanted for name, wanted in expected.items())


def test_assignment_follows_the_weights_is_sticky_and_independent_between_campaigns(
    spark: SparkSession,
) -> None:
    first, again = assigned(spark, "win_back", WEIGHTS), assigned(spark, "win_back", WEIGHTS)
    other = assigned(spark, "letter", WEIGHTS)
    assert first == again
    assert chi_square(Counter(first), WEIGHTS) < CHI_SQUARE_2_MAX
    assert chi_square(Counter(other), WEIGHTS) < CHI_SQUARE_2_MAX
    # Of those who get 'plain' in one campaign, the other campaign's weights hold too.
    both: Counter[str | None] = Counter(b for a, b in zip(first, other, strict=True) if a == "plain")
    assert chi_square(both, WEIGHTS) < CHI_SQUARE_2_MAX


def test_the_smallest_weights_are_kept_to_the_point(spark: SparkSession) -> None:
    thirds = {"a": 1, "b": 1, "c": 1}
    assert chi_square(Counter(assigned(spark, "thirds", thirds)), thirds) < CHI_SQUARE_2_MAX


def test_edges_of_weights(spark: SparkSession) -> None:
    few = spark.createDataFrame([("",), ("é🙂",), ("x" * 256,)], "c string")
    assert assigned(spark, "one", {"only": 10_000}, few) == ["only"] * 3
    assert assigned(spark, "none", {}, few) == [None] * 3
    # The column that comes from `campaigns_frame` is the same as the literal.
    given = assign_variant(F.lit("x"), F.col("c"), F.lit(None).cast(VARIANTS_TYPE))
    assert [row.v for row in few.select(given.alias("v")).collect()] == [None] * 3
    table = spark.createDataFrame([(cumulate(WEIGHTS),)], f"variants {VARIANTS_TYPE}")
    column = assign_variant(F.lit("win_back"), F.col("c"), F.col("variants"))
    joined = few.crossJoin(table).select("c", column.alias("v")).orderBy("c").collect()
    assert [row.v for row in joined] == assigned(spark, "win_back", WEIGHTS, few)


def test_cumulate() -> None:
    assert cumulate({}) is None
    assert cumulate(WEIGHTS) == [("plain", 50), ("question", 75), ("gift", 100)]


def test_holdouts_are_uniform_sticky_and_independent_of_campaigns_and_variants(spark: SparkSession) -> None:
    ids = spark.range(20_000).select(F.format_string("cust-%09d", "id").alias("c"))
    variant = assign_variant(F.lit("win_back"), F.col("c"), variants_literal(WEIGHTS))
    people = ids.select("c", variant.alias("variant")).toArrow()
    names = people["c"].combine_chunks()
    points = {
        name: holdout_points(pa.repeat(seed, len(names)), names).to_pylist()
        for name, seed in (("one", "win_back"), ("other", "letter"))
    }
    drawn = zip(names.to_pylist(), *points.values(), people["variant"].to_pylist(), strict=True)
    rows = [Row(c=name, one=one, other=other, variant=given) for name, one, other, given in drawn]
    tenths = {str(n): 1 for n in range(10)}
    assert all(0 <= row.one < HOLDOUT_POINTS for row in rows)
    for name in ("one", "other"):
        found: Counter[str | None] = Counter(str(row[name] * 10 // HOLDOUT_POINTS) for row in rows)
        assert chi_square(found, tenths) < CHI_SQUARE_9_MAX
    held = [row for row in rows if row.one < 1_000]
    # Who is held out of one campaign is an even sample for another one, and of every variant.
    assert (
        chi_square(Counter(str(row.other * 10 // HOLDOUT_POINTS) for row in held), tenths) < CHI_SQUARE_9_MAX
    )
    assert chi_square(Counter(row.variant for row in held), WEIGHTS) < CHI_SQUARE_2_MAX
    # A smaller share is part of a larger one, so that a holdout can grow.
    assert {row.c for row in rows if row.one < 500} < {row.c for row in held}
