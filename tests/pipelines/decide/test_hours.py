"""Quiet hours and send windows to the second, on the days on which clocks jump; opened and closed by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pipelines.campaigns.hours import NO_RULES
from pipelines.decide import Unit, decide
from pipelines.decide.policy import policy_row
from tests.builders import Row, arrow, audience_row, candidate_row, joined_schema, make_campaign

NIGHT: Row = {"quiet_hours": {"from": "22:00", "to": "08:00"}}
LONG_NIGHT: Row = {"quiet_hours": {"from": "21:00", "to": "08:00"}}
SMALL_HOURS: Row = {"quiet_hours": {"from": "01:00", "to": "02:30"}}
FROM_MIDNIGHT: Row = {"quiet_hours": {"from": "00:00", "to": "06:00"}}
OFFICE: Row = {"send_window": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"}}
FRIDAYS: Row = {"send_window": {"days": ["fri"], "from": "09:00", "to": "17:00"}}

#: (zone, rule, instant, until when it is closed then; None: it is open). From the zones' published rules.
TRUTHS: tuple[tuple[str, Row, str, str | None], ...] = (
    # 29 March 2026: 02:00 to 03:00 is skipped, the night is an hour shorter.
    ("Europe/Berlin", NIGHT, "2026-03-28T20:59:59", None),
    ("Europe/Berlin", NIGHT, "2026-03-28T21:00:00", "2026-03-29T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-03-29T05:59:59", "2026-03-29T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-03-29T06:00:00", None),
    # The end is skipped: it is read with the offset from before. Who comes after the jump finds it open.
    ("Europe/Berlin", SMALL_HOURS, "2026-03-29T00:59:59", "2026-03-29T01:30:00"),
    ("Europe/Berlin", SMALL_HOURS, "2026-03-29T01:00:00", None),
    # 25 October 2026: 02:00 to 03:00 comes twice, and so do the small hours.
    ("Europe/Berlin", SMALL_HOURS, "2026-10-24T22:59:59", None),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-24T23:00:00", "2026-10-25T00:30:00"),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T00:29:59", "2026-10-25T00:30:00"),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T00:30:00", None),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T00:59:59", None),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T01:00:00", "2026-10-25T01:30:00"),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T01:29:59", "2026-10-25T01:30:00"),
    ("Europe/Berlin", SMALL_HOURS, "2026-10-25T01:30:00", None),
    # A Friday evening before the clock moves, and the Monday after.
    ("Europe/Berlin", OFFICE, "2026-03-27T16:59:59", None),
    ("Europe/Berlin", OFFICE, "2026-03-27T17:00:00", "2026-03-30T07:00:00"),
    ("Europe/Berlin", OFFICE, "2026-03-30T06:59:59", "2026-03-30T07:00:00"),
    ("Europe/Berlin", OFFICE, "2026-03-30T07:00:00", None),
    ("America/New_York", LONG_NIGHT, "2026-03-08T01:59:59", None),
    ("America/New_York", LONG_NIGHT, "2026-03-08T02:00:00", "2026-03-08T12:00:00"),
    ("America/New_York", LONG_NIGHT, "2026-03-08T11:59:59", "2026-03-08T12:00:00"),
    ("America/New_York", LONG_NIGHT, "2026-03-08T12:00:00", None),
    ("America/New_York", LONG_NIGHT, "2026-11-01T00:59:59", None),
    ("America/New_York", LONG_NIGHT, "2026-11-01T01:00:00", "2026-11-01T13:00:00"),
    ("America/New_York", LONG_NIGHT, "2026-11-01T12:59:59", "2026-11-01T13:00:00"),
    ("America/New_York", LONG_NIGHT, "2026-11-01T13:00:00", None),
    # Lord Howe moves by half an hour.
    ("Australia/Lord_Howe", NIGHT, "2026-10-03T11:29:59", None),
    ("Australia/Lord_Howe", NIGHT, "2026-10-03T11:30:00", "2026-10-03T21:00:00"),
    ("Australia/Lord_Howe", NIGHT, "2026-10-03T20:59:59", "2026-10-03T21:00:00"),
    ("Australia/Lord_Howe", NIGHT, "2026-10-03T21:00:00", None),
    # Casablanca goes back an hour for Ramadan on 15 February 2026.
    ("Africa/Casablanca", NIGHT, "2026-02-14T20:59:59", None),
    ("Africa/Casablanca", NIGHT, "2026-02-14T21:00:00", "2026-02-15T08:00:00"),
    ("Africa/Casablanca", NIGHT, "2026-02-15T07:59:59", "2026-02-15T08:00:00"),
    ("Africa/Casablanca", NIGHT, "2026-02-15T08:00:00", None),
    # Sao Paulo skipped midnight: 4 November 2018 began at 01:00.
    ("America/Sao_Paulo", FROM_MIDNIGHT, "2018-11-04T02:59:59", None),
    ("America/Sao_Paulo", FROM_MIDNIGHT, "2018-11-04T03:00:00", "2018-11-04T08:00:00"),
    ("America/Sao_Paulo", FROM_MIDNIGHT, "2018-11-04T07:59:59", "2018-11-04T08:00:00"),
    ("America/Sao_Paulo", FROM_MIDNIGHT, "2018-11-04T08:00:00", None),
    # Kathmandu is at +05:45.
    ("Asia/Kathmandu", NIGHT, "2026-01-15T16:14:59", None),
    ("Asia/Kathmandu", NIGHT, "2026-01-15T16:15:00", "2026-01-16T02:15:00"),
    ("Asia/Kathmandu", NIGHT, "2026-01-16T02:14:59", "2026-01-16T02:15:00"),
    ("Asia/Kathmandu", NIGHT, "2026-01-16T02:15:00", None),
    # Apia had no 30 December 2011: the night of the 29th ends on the 31st, ten hours after it began.
    ("Pacific/Apia", NIGHT, "2011-12-30T07:59:59", None),
    ("Pacific/Apia", NIGHT, "2011-12-30T08:00:00", "2011-12-30T18:00:00"),
    ("Pacific/Apia", NIGHT, "2011-12-30T17:59:59", "2011-12-30T18:00:00"),
    ("Pacific/Apia", NIGHT, "2011-12-30T18:00:00", None),
    # Its Friday never was: what fell due then, on the Saturday, waits for the next one.
    ("Pacific/Apia", FRIDAYS, "2011-12-30T03:00:00", "2011-12-30T19:00:00"),
    ("Pacific/Apia", FRIDAYS, "2011-12-30T19:00:00", "2012-01-05T19:00:00"),
    ("Pacific/Apia", FRIDAYS, "2012-01-05T18:59:59", "2012-01-05T19:00:00"),
    ("Pacific/Apia", FRIDAYS, "2012-01-05T19:00:00", None),
    ("Pacific/Apia", FRIDAYS, "2012-01-06T02:59:59", None),
    ("Pacific/Apia", FRIDAYS, "2012-01-06T03:00:00", "2012-01-12T19:00:00"),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def judged(zone: str, rule: Row, now: datetime) -> tuple[str | None, datetime | None]:
    """Reason and due time of a candidate whom nothing else stops."""
    one = candidate_row(
        policy=policy_row(make_campaign(None, **rule), NO_RULES),
        customer=audience_row(time_zone=zone),
        occurred_at=now,
    )
    (row,) = decide(arrow([one], joined_schema()), Unit("triggered", 0, now, 1)).to_pylist()
    return row["reason"], row["due_at"]


def test_open_and_closed_to_the_second() -> None:
    for zone, rule, instant, opens in TRUTHS:
        reason = "held_quiet_hours" if "quiet_hours" in rule else "held_window"
        expected = (reason, at(opens)) if opens else (None, None)
        assert judged(zone, rule, at(instant)) == expected, (zone, rule, instant)


def test_who_may_not_wait_is_excluded_in_the_same_second() -> None:
    for zone, rule, instant, opens in TRUTHS:
        ((key, hours),) = rule.items()
        reason = "quiet_hours" if key == "quiet_hours" else "outside_window"
        expected = (reason, None) if opens else (None, None)
        excluding = {key: {**hours, "otherwise": "exclude"}}
        assert judged(zone, excluding, at(instant)) == expected, (zone, rule, instant)


def test_every_edge_is_tried_on_both_sides() -> None:
    tried = {(zone, str(rule), at(instant)) for zone, rule, instant, _ in TRUTHS}
    lone = [
        (zone, opens)
        for zone, rule, _, opens in TRUTHS
        if opens and (zone, str(rule), at(opens) - timedelta(seconds=1)) not in tried
    ]
    assert lone == [
        # Read with the offset from before the gap: the clock showed an open hour already.
        ("Europe/Berlin", "2026-03-29T01:30:00"),
        ("Pacific/Apia", "2011-12-30T19:00:00"),
        ("Pacific/Apia", "2012-01-12T19:00:00"),
    ]
