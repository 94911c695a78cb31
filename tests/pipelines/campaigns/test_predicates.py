"""Predicates read without Spark: a table of good and bad ones, each also put to Spark itself."""

from __future__ import annotations

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns.predicates import CLOCK, predicate_faults, pure_functions
from schemas.tables import table

COLUMNS = {column.name: column.type for column in table("audience").columns} | {CLOCK: "timestamp"}

GOOD = (
    "true",
    "1 = 1",
    "country IN ('DE', 'AT') AND birth_date IS NOT NULL",
    "Country = 'DE' and CUSTOMER_ID like 'c%'",
    "array_contains(segments, 'loyal') OR array_contains(segments, 'newcomer')",
    "lifetime_value >= 100.5 AND loyalty_points BETWEEN 1 AND 10",
    # No order in 30 days; an order of a certain kind; how many; their sum.
    "NOT exists(recent_orders, o -> o.ordered_at > clock - INTERVAL 30 DAYS)",
    "size(filter(recent_orders, o -> o.item = 'tea' AND o.total > 10)) = 0",
    "aggregate(recent_orders, 0D, (sum_so_far, o) -> sum_so_far + o.total) > 100",
    "forall(recent_orders, o -> o.currency = 'EUR')",
    "exists(consents, c -> c.channel = 'sms' AND c.granted)",
    "recent_orders[0].total > 5",
    "get(recent_orders, 0).ordered_at < clock",
    "transform(segments, (s, i) -> concat(s, i))[0] = 'a0'",
    "datediff(clock, signup_at) > 30",
    "months_between(clock, birth_date) >= 18 * 12",
    "date_format(birth_date, 'MM-dd') = date_format(clock, 'MM-dd')",
    "locale rlike '^de' OR lower(locale) LIKE 'fr%'",
    "coalesce(push_token, '') <> ''",
    "if(country = 'DE', loyalty_points > 1, loyalty_points > 2)",
    "CASE WHEN country = 'DE' THEN true ELSE false END",
    "CAST(loyalty_points AS decimal(10, 2)) > 1",
    "isnotnull(email) AND NOT (phone IS NULL)",
    "`country` = 'DE'",
    "crc32(customer_id) % 2 = 0",
    "first_name = 'sum(x) OVER now()'",
    "aggregate(recent_orders, 0D, (total, o) -> total + o.total) >= 3",
    "aggregate(recent_orders, named_struct('n', 0D), (s, o) -> named_struct('n', s.n + o.total), s -> s.n) > 3",
    "exists(filter(recent_orders, (o, i) -> i < 2 AND o.total > 3), p -> p.item = 'a')",
    "exists(recent_orders, o -> exists(consents, c -> c.granted AND o.total > 1))",
    "lifetime_value > 3 AND birth_date < DATE'2000-01-01' AND signup_at < '2020-01-01'",
)
#: (predicate, words of the complaint, whether Spark refuses it too).
BAD = (
    ("country =", "not a Spark SQL expression", True),
    ("country = 'DE' AND (", "not a Spark SQL expression", True),
    ("contry = 'DE'", "unknown column 'contry'. Did you mean 'country'?", True),
    (
        "exists(recent_orders, o -> o.totl > 3)",
        "'recent_orders' has no field 'totl'. Did you mean 'total'?",
        True,
    ),
    ("size(filter(recent_orders, o -> o.price > 3)) = 0", "no field 'price'. It has: order_id, total", True),
    ("exists(filter(recent_orders, o -> o.total > 3), p -> p.itm = 'a')", "Did you mean 'item'?", True),
    ("aggregate(recent_orders, 0D, (s, o) -> s + o.totl) > 1", "Did you mean 'total'?", True),
    ("recent_orders[0].totl > 5", "Did you mean 'total'?", True),
    ("get(recent_orders, 0).totl > 5", "Did you mean 'total'?", True),
    ("segments > 3", "'segments > 3' compares an array or a struct with a value. Use exists()", True),
    ("country = 3", "'country = 3' compares text with a number", False),
    ("loyalty_points >= '3' AND true", "compares text with a number", False),
    ("o.total > 3", "unknown column 'o'", True),
    ("exists(recent_order, o -> o.total > 3)", "Did you mean 'recent_orders'?", True),
    ("exists(recent_orders, o -> p.total > 3)", "unknown column 'p'", True),
    ("country", "'country' is string, and no condition", True),
    ("loyalty_points + 1", "is bigint, and no condition", True),
    ("segments", "array<string>", True),
    ("loyalty_points AND country = 'DE'", "'loyalty_points' is bigint", True),
    ("sum(loyalty_points) > 3", "calls sum()", True),
    ("count(1) > 3", "calls count()", True),
    ("row_number() OVER (ORDER BY country) = 1", "window", True),
    ("explode(segments) = 'a'", "explode()", True),
    ("country IN (SELECT country FROM other)", "holds a query", True),
    ("EXISTS (SELECT 1)", "holds a query", False),
    ("nofunction(country)", "nofunction()", True),
    ("upper(country, 3) = 'DE'", "", True),
    ("uper(country) = 'DE'", "Did you mean 'upper'?", True),
    ("rand() < 0.5", "calls rand()", False),
    ("uuid() > 'a'", "calls uuid()", False),
    ("birth_date < current_date()", "'clock'", False),
    ("birth_date < current_date", "'clock'", False),
    ("signup_at < now()", "'clock'", False),
    ("unix_timestamp() > 3", "calls unix_timestamp()", False),
    ("shuffle(segments)[0] = 'a'", "calls shuffle()", False),
    ("monotonically_increasing_id() = 1", "monotonically_increasing_id()", False),
    ("reflect('java.lang.System', 'exit', 1) = 'a'", "reflect()", False),
    ("raise_error('x')", "raise_error()", True),
    ("country = :name", "parameter", True),
    ("DROP TABLE customers", "", True),
)
#: Types within an expression are Spark's business: told when the campaign is first used.
SPARK_ALONE = (
    "concat(segments, 1)[0] > get(consents, 0)",
    "transform(recent_orders, o -> o.total)[0].totl > 3",
)


def told(text: str) -> str:
    return " | ".join(f"{found}. {fix}" for found, fix in predicate_faults(text, COLUMNS))


@pytest.mark.parametrize("text", [*GOOD, *SPARK_ALONE])
def test_good_predicates_pass(text: str) -> None:
    assert told(text) == ""


@pytest.mark.parametrize(("text", "words"), [(text, words) for text, words, _ in BAD])
def test_bad_predicates_are_told(text: str, words: str) -> None:
    found = told(text)
    assert found
    assert words in found
    assert "\x1b" not in found


def test_spark_agrees(spark: SparkSession) -> None:
    people = spark.createDataFrame([], table("audience").schema())
    rows = people.withColumn(CLOCK, F.lit(None).cast("timestamp"))

    def is_understood(text: str) -> bool:
        try:
            return rows.where(F.expr(text)).schema is not None
        except AnalysisException:
            return False

    assert [text for text in GOOD if not is_understood(text)] == []
    assert [text for text, _, refused in BAD if is_understood(text) == refused] == []
    assert [text for text in SPARK_ALONE if is_understood(text)] == []
    known = {one.name for one in spark.catalog.listFunctions()}
    assert pure_functions() - known - {"cast", "try_cast"} == set()
