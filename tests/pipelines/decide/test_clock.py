"""The recipient's clock: known days on which it jumps, and thousands of instants against zoneinfo."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.decide.clock import DAY_US, MINUTE_US, WEEK_US, is_known_zone, local_us, next_at, show
from schemas.time_zones import known_time_zones
from tests.oracle.clock import DAYS, UTC, following, shown, transitions

SECOND = timedelta(seconds=1)

#: (zone, instant, delay, the instant at which it ends); written down by hand from the zones' published rules.
TRUTHS: tuple[tuple[str, str, str, str], ...] = (
    # An ordinary day: before, at and after the time; one second and one microsecond decide.
    ("Europe/Berlin", "2026-01-15T07:59:59", "until 09:00 local", "2026-01-15T08:00:00"),
    ("Europe/Berlin", "2026-01-15T08:00:00", "until 09:00 local", "2026-01-15T08:00:00"),
    ("Europe/Berlin", "2026-01-15T08:00:00.000001", "until 09:00 local", "2026-01-16T08:00:00"),
    ("Europe/Berlin", "2026-01-15T08:00:01", "until 09:00 local", "2026-01-16T08:00:00"),
    ("Europe/Berlin", "2026-01-13T08:59:59", "next tuesday 10:00 local", "2026-01-13T09:00:00"),
    ("Europe/Berlin", "2026-01-13T09:00:01", "next tuesday 10:00 local", "2026-01-20T09:00:00"),
    # 29 March 2026, 02:00 to 03:00 does not exist: 02:30 is read as 01:30Z. The day has 23 hours.
    ("Europe/Berlin", "2026-03-28T23:00:00", "until 02:30 local", "2026-03-29T01:30:00"),
    ("Europe/Berlin", "2026-03-29T00:59:59", "until 03:00 local", "2026-03-29T01:00:00"),
    ("Europe/Berlin", "2026-03-28T12:00:00", "until 09:00 local", "2026-03-29T07:00:00"),
    # 25 October 2026, 02:00 to 03:00 comes twice: the first, unless it is over.
    ("Europe/Berlin", "2026-10-24T22:00:00", "until 02:30 local", "2026-10-25T00:30:00"),
    ("Europe/Berlin", "2026-10-25T01:10:00", "until 02:30 local", "2026-10-25T01:30:00"),
    ("Europe/Berlin", "2026-10-25T00:30:01", "until 02:30 local", "2026-10-26T01:30:00"),
    ("America/New_York", "2026-03-08T06:00:00", "until 02:15 local", "2026-03-08T07:15:00"),
    ("America/New_York", "2026-11-01T05:59:59", "until 01:59 local", "2026-11-02T06:59:00"),
    ("America/New_York", "2026-11-01T06:00:00", "until 01:00 local", "2026-11-01T06:00:00"),
    # Lord Howe moves by half an hour: 4 October 2026, 02:00 to 02:30 is skipped.
    ("Australia/Lord_Howe", "2026-10-03T15:00:00", "until 02:15 local", "2026-10-03T15:45:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:29:59", "until 02:30 local", "2026-10-03T15:30:00"),
    ("Australia/Lord_Howe", "2026-04-04T14:00:00", "until 01:45 local", "2026-04-04T14:45:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:10:00", "until 01:45 local", "2026-04-04T15:15:00"),
    # Casablanca goes back for Ramadan: 15 February 2026, 03:00 to 02:00; and on again on 22 March.
    ("Africa/Casablanca", "2026-02-15T00:30:00", "until 02:30 local", "2026-02-15T01:30:00"),
    ("Africa/Casablanca", "2026-02-15T02:10:00", "until 02:30 local", "2026-02-15T02:30:00"),
    ("Africa/Casablanca", "2026-03-22T01:30:00", "until 02:30 local", "2026-03-22T02:30:00"),
    # Sao Paulo skipped midnight: 4 November 2018 began at 01:00.
    ("America/Sao_Paulo", "2018-11-03T15:00:00", "until 00:00 local", "2018-11-04T03:00:00"),
    ("America/Sao_Paulo", "2018-11-04T02:59:59", "next sunday 00:30 local", "2018-11-04T03:30:00"),
    ("America/Sao_Paulo", "2019-02-17T01:30:00", "until 23:45 local", "2019-02-17T01:45:00"),
    # Kathmandu is at +05:45; in 1986 it got there from +05:30 by skipping a quarter of an hour.
    ("Asia/Kathmandu", "2026-01-15T03:14:59", "until 09:00 local", "2026-01-15T03:15:00"),
    ("Asia/Kathmandu", "1985-12-31T18:00:00", "until 00:05 local", "1985-12-31T18:35:00"),
    # Apia had no 30 December 2011.
    ("Pacific/Apia", "2011-12-30T09:00:00", "until 09:00 local", "2011-12-30T19:00:00"),
    ("Pacific/Apia", "2011-12-30T09:59:59", "next saturday 00:00 local", "2011-12-30T10:00:00"),
)
#: Zones whose rules differ in kind; near their jumps most goes wrong.
JUMPING = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo",
    "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Asia/Kolkata", "UTC", "Asia/Tehran",
)  # fmt: skip


def ends(spark: SparkSession, cases: list[tuple[str, datetime, str]]) -> list[tuple[datetime, int]]:
    """(the end of the delay, what the clock shows in microseconds) of each case."""
    rows = []
    for number, (zone, instant, text) in enumerate(cases):
        words = text.split()
        minute = int(words[-2][:2]) * 60 + int(words[-2][3:])
        day = None if words[0] == "until" else DAYS.index(words[1])
        period = DAY_US if day is None else WEEK_US
        rows.append((number, zone, instant, ((day or 0) * 1_440 + minute) * MINUTE_US, period))
    given = spark.createDataFrame(
        rows, "n int, zone string, instant timestamp, position bigint, period bigint"
    )
    shows = given.select("*", local_us(F.col("instant"), F.col("zone")).alias("local"))
    columns = [F.col(name) for name in ("position", "period", "instant", "local", "zone")]
    made = shows.select("n", F.unix_micros(next_at(*columns)).alias("at"), "local")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [(epoch + timedelta(microseconds=r.at), r.local) for r in sorted(made.collect())]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def near_jumps(count: int) -> list[tuple[str, datetime, str]]:
    """Instants about the jumps of clocks, and anywhere; times of day about those that jumps skip or repeat."""
    chance = random.Random(20260301)
    cases: list[tuple[str, datetime, str]] = []
    while len(cases) < count:
        zone, year = chance.choice(JUMPING), chance.choice((1986, 2011, 2018, 2019, 2025, 2026, 2027))
        jumps = transitions(zone, year)
        middle = chance.choice(jumps) if jumps and chance.random() < 0.8 else datetime(year, 5, 5, tzinfo=UTC)
        instant = middle + timedelta(
            seconds=chance.choice(
                (-1, 0, 1, chance.randint(-100_000, 100_000), chance.randint(-4_000, 4_000))
            )
        )
        target = shown(middle + timedelta(minutes=chance.randint(-130, 130)), zone)
        day = chance.choice(
            ("until", "until", f"next {DAYS[target.weekday()]}", f"next {chance.choice(DAYS)}")
        )
        cases.append((zone, instant, f"{day} {target:%H:%M} local"))
    return cases


def test_known_days(spark: SparkSession) -> None:
    found = ends(spark, [(zone, at(instant), text) for zone, instant, text, _ in TRUTHS])
    assert [end for end, _ in found] == [at(end) for *_, end in TRUTHS]
    # The oracle is tried on the same days.
    assert [following(at(i), zone, text) for zone, i, text, _ in TRUTHS] == [at(end) for *_, end in TRUTHS]


def test_thousands_of_instants_agree_with_zoneinfo(spark: SparkSession) -> None:
    cases = near_jumps(6_000)
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    for case, (end, local) in zip(cases, ends(spark, cases), strict=True):
        zone, instant, text = case
        assert epoch + timedelta(microseconds=local) == shown(instant, zone), case
        assert end == following(instant, zone, text), case
        assert end >= instant


def test_zones_are_known_to_spark_and_to_python(spark: SparkSession) -> None:
    from zoneinfo import available_timezones

    names = sorted(known_time_zones())
    assert set(names) <= available_timezones()
    assert len(names) > 500
    unknown = ["", " ", "Mars/Olympus", "europe/berlin", "+02:00", "UTC+2", "Factory", "O'Higgins", None]
    rows: list[tuple[Any, ...]] = [(name,) for name in [*names, *unknown]]
    marked = spark.createDataFrame(rows, "zone string").select(
        "zone", is_known_zone("zone").alias("is_known")
    )
    assert [r.zone for r in marked.collect() if r.is_known] == names
    # Spark itself reads each of them; one that it does not know would fail here as it would fail a job.
    read = marked.where("is_known").select(
        local_us(F.lit(at("2026-07-01T12:00:00")), F.col("zone")).alias("l")
    )
    assert read.where("l IS NULL").count() == 0


def test_the_clock_is_shown_by_day_and_minute(spark: SparkSession) -> None:
    local = local_us(F.lit(at("2026-03-01T22:59:59")), F.lit("Asia/Kathmandu"))
    assert spark.range(1).select(show(local).alias("s")).collect()[0].s == "Mon 04:44"
