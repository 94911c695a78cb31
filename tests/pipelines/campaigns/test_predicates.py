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
    "`birth_date` IS NOT NULL AND (`country`) = 'DE' AND `upper`(`country`) IN ('AT', 'DE')",
    "birth_date = '1990-01-01' OR birth_date = '1990' OR birth_date = ' 1990-1-1 '",
    "signup_at > '2026-01-01' AND signup_at <= '2026-02-01 12:30:00' AND signup_at <> '2026-02-01T12:30:00Z'",
    "signup_at > TIMESTAMP'2026-01-01 10:00:00' AND signup_at < CAST('2026-03-01' AS timestamp)",
    "birth_date IN ('1990-01-01', '1992-02-29') AND birth_date BETWEEN '1990-01-01' AND DATE'2000-12-31'",
    "birth_date < signup_at AND birth_date <=> DATE'1990-01-01'",
    "loyalty_points BETWEEN 1 AND 3 AND loyalty_points IN (1, 2.5) AND lifetime_value > 1.5D",
    "lifetime_value = loyalty_points AND lifetime_value * 2 + 1 > loyalty_points / 3",
    "country BETWEEN 'A' AND 'D' AND country IN ('AT', 'DE')",
    "clock - signup_at > INTERVAL 30 DAYS AND birth_date + 3 > DATE'2026-01-01'",
    "date_add(birth_date, 3) > '2026-01-01' AND year(birth_date) > 1990",
    "first_name IN ('now', 'today') AND first_name <> '12:30' AND date_format(clock, 'HH:mm') > '12:30'",
)
#: (predicate, words of the complaint, whether Spark refuses it too; None: it is not asked).
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
    ("segments > 3", "an array or a struct with a value (array<string> with int). Use exists()", True),
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
    ("`rand`() < 0.5", "calls rand()", False),
    ("`uuid`() > 'a'", "calls uuid()", False),
    ("`in`(country, 'AT') AND `now`() > signup_at", "'clock'", None),
    ("`no function`(country)", "unknown function or not one of a single row: no function()", True),
    ("signup_at > timestamp'now'", "timestamp 'now' names a moment by a word", False),
    ("signup_at > TIMESTAMP ' Yesterday '", "write the date itself", None),
    ("signup_at > timestamp_ntz'tomorrow'", "timestamp_ntz 'tomorrow' names a moment", False),
    ("birth_date = date'today'", "date 'today' names a moment by a word", False),
    ('NOT (birth_date < (DATE "yesterday"))', "'clock'", False),
    ("birth_date = date'epoch'", "date 'epoch' names a moment by a word", False),
    ("signup_at > timestamp'today UTC'", "timestamp 'today UTC' names a moment", None),
    ("signup_at > timestamp'12:30:00'", "timestamp '12:30:00' is no date. Write year", None),
    ("birth_date = date'abc'", "date 'abc' is no date", True),
    ("signup_at > CAST('now' AS timestamp)", "timestamp 'now' names a moment", None),
    ("country = current_user", "calls current_user. It tells of the session that asks", False),
    ("country = current_user()", "calls current_user. It tells of the session", False),
    ("country = session_user", "calls session_user. It tells of the session", False),
    ("country = user", "calls user. It tells of the session", False),
    ("exists(segments, user -> user = 'a') AND country = user", "calls user.", None),
    ("country = current_catalog", "calls current_catalog. It tells", None),
    ("country = current_database", "calls current_database. It tells", None),
    ("country = current_schema", "calls current_schema. It tells", None),
    ("signup_at < current_timestamp", "calls current_timestamp. A repeated run", False),
    ("signup_at < localtimestamp", "calls localtimestamp. A repeated run", True),
    ("signup_at < `localtimestamp`", "calls localtimestamp. A repeated run", None),
    ("current_time IS NULL", "calls current_time. A repeated run", None),
    (
        "signup_at > 5",
        "'signup_at > 5' compares a point in time with a number (timestamp with int). Write year",
        True,
    ),
    ("5.5 >= birth_date", "compares a point in time with a number (double with date)", True),
    ("signup_at BETWEEN 1 AND loyalty_points", "a number (timestamp with int)", True),
    ("recent_orders[0].ordered_at > 20260101", "a number (timestamp with int)", True),
    ("country IN (1, 2)", "'country IN (1, 2)' compares text with a number (string with int)", None),
    ("loyalty_points NOT IN (1, '2')", "compares text with a number (bigint with string)", None),
    (
        "country BETWEEN 1 AND 3",
        "'country BETWEEN 1 AND 3' compares text with a number (string with int)",
        False,
    ),
    ("country BETWEEN 'A' AND 3", "compares text with a number (string with int)", False),
    ("country <=> 3", "compares text with a number (string with int)", False),
    ("segments IN ('loyal')", "compares an array or a struct with a value (array<string> with string)", None),
    (
        "birth_date = 'abc'",
        "with 'abc', which is no date (date with string). Write year, month and day",
        False,
    ),
    ("birth_date IN ('1990-01-01', '1990-02-30')", "with '1990-02-30', which is no date", None),
    ("signup_at > 'now'", "with 'now', which is no date (timestamp with string)", False),
    ("signup_at > '12:30'", "with '12:30', which is no date (timestamp with string)", False),
    ("signup_at BETWEEN '2026-01-01' AND ('2026-13-01')", "with '2026-13-01', which is no date", False),
    (
        "lifetime_value + 'x' > 3",
        "'lifetime_value + 'x'' calculates with text (decimal(12, 2) with string). Write the number without",
        None,
    ),
    ("'2' * loyalty_points = 4", "calculates with text (string with bigint)", None),
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


def test_a_declared_column_wins_over_the_word() -> None:
    columns = {"user": "string", "current_date": "date", "total": "double"}
    assert list(predicate_faults("user = 'a' AND User IN (`user`) AND `current_date` IS NULL", columns)) == []
    assert list(predicate_faults("current_date IS NULL", columns)) == [
        ("calls current_date", "Write the column as `current_date`")
    ]


def test_names_of_fields_and_variables_call_nothing() -> None:
    columns = {"users": "array<struct<user string, current_date date>>"}
    assert list(predicate_faults("exists(users, user -> user.current_date IS NULL)", columns)) == []
    assert list(predicate_faults("exists(users, u -> u.user = 'a')", columns)) == []


def test_a_fault_is_told_once() -> None:
    assert len(list(predicate_faults("country IN (1, 2) AND signup_at < '2026-01-01'", COLUMNS))) == 1
    assert len(list(predicate_faults("country = user OR first_name = user", COLUMNS))) == 1
    assert len(list(predicate_faults("signup_at < localtimestamp", COLUMNS))) == 1


def test_what_has_no_known_type_passes() -> None:
    assert told("get(recent_orders, 0).ordered_at + '3' > 5 AND get(segments, 0) = 3") == ""


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
