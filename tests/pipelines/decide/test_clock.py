"""The recipient's clock: known days on which it jumps, and thousands of instants against the oracle."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from pipelines.decide import clock
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


def ends(zone: str, instant: datetime, text: str) -> datetime:
    """The end of a delay."""
    words = text.split()
    minute = int(words[-2][:2]) * 60 + int(words[-2][3:])
    if words[0] == "until":
        return clock.next_at(minute, clock.DAY, instant, zone)
    return clock.next_at(DAYS.index(words[1]) * 1_440 + minute, clock.WEEK, instant, zone)


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


def test_known_days() -> None:
    for zone, instant, text, end in TRUTHS:
        assert ends(zone, at(instant), text) == at(end), (zone, instant, text)
        # The oracle is tried on the same days.
        assert following(at(instant), zone, text) == at(end), (zone, instant, text)


def test_thousands_of_instants_agree_with_the_oracle() -> None:
    for zone, instant, text in near_jumps(6_000):
        assert clock.shown(instant, zone) == shown(instant, zone)
        end = ends(zone, instant, text)
        assert end == following(instant, zone, text), (zone, instant, text)
        assert end >= instant


def test_zones_are_known_to_python() -> None:
    from zoneinfo import available_timezones

    names = sorted(known_time_zones())
    assert set(names) <= available_timezones()
    assert len(names) > 500
    unknown = ["", " ", "Mars/Olympus", "europe/berlin", "+02:00", "UTC+2", "Factory", "O'Higgins", None]
    assert [name for name in [*names, *unknown] if clock.is_known_zone(name)] == names


def test_the_clock_is_shown_by_day_and_minute() -> None:
    local = clock.shown(at("2026-03-01T22:59:59"), "Asia/Kathmandu")
    assert clock.show(local) == "Mon 04:44"


def test_periods_of_the_calendar_begin_at_local_midnight() -> None:
    now, zone = at("2026-03-01T09:30:00"), "Asia/Kathmandu"
    assert {per: clock.period_start(per, now, zone) for per in ("day", "week", "month")} == {
        "day": at("2026-02-28T18:15:00"),
        "week": at("2026-02-22T18:15:00"),
        "month": at("2026-02-28T18:15:00"),
    }
    # Sao Paulo skipped midnight: the day began at 01:00.
    assert clock.period_start("day", at("2018-11-04T15:00:00"), "America/Sao_Paulo") == at(
        "2018-11-04T03:00:00"
    )
