"""Caps and arbitration: at the boundary of count and time, per channel and category, by the local calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipelines.decide import Unit, decide
from pipelines.decide.policy import policy_row
from tests.builders import HOUR, NOW, Row, arrow, audience_row, candidate_row, joined_schema, make_campaign

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def cap(at_most: int, per: str, **keys: Any) -> Row:
    return {"at_most": at_most, "per": per, **keys}


def row(decision_id: str = "d-1", caps: tuple[Row, ...] = (), **changes: Any) -> Row:
    """A candidate that passed all gates."""
    declared = {
        name: changes.pop(name) for name in ("campaign_id", "category", "priority") if name in changes
    }
    campaign = make_campaign(None, frequency_caps=caps, topic="marketing", **declared)
    zone = changes.pop("zone", "UTC")
    made: Row = {
        "decision_id": decision_id,
        "message_id": f"m-{decision_id}",
        "origin": decision_id,
        "campaign_id": campaign.campaign_id,
        "occurred_at": NOW - HOUR,
        "policy": policy_row(campaign),
        "customer": audience_row(time_zone=zone),
    }
    return candidate_row(**(made | changes))


def sent(
    at: datetime,
    campaign: str = "welcome",
    category: str = "marketing",
    channel: str = "email",
    message_id: str = "m-0",
) -> Row:
    return {
        "at": at,
        "campaign_id": campaign,
        "category": category,
        "channel": channel,
        "message_id": message_id,
    }


def judged(rows: list[Row]) -> dict[str, tuple[str | None, str]]:
    """Reason and the value of the gate that did not pass, or of the cap, by decision."""
    found = {}
    for one in decide(arrow(rows, joined_schema()), Unit("triggered", 0, NOW, 1)).to_pylist():
        gates = [gate for gate in one["gates"] if gate["gate"] in ("frequency_cap", "arbitration")]
        assert len(gates) == 2
        failed = [gate for gate in gates if not gate["passed"]]
        is_theirs = one["reason"] in ("frequency_capped", "lost_to_priority")
        # What something else stops may have no room either.
        assert len(failed) == is_theirs or (one["reason"] and len(failed) == 1)
        found[one["decision_id"]] = (one["reason"], (failed or gates)[0]["value"])
    assert len(found) == len(rows)
    return found


THREE = (cap(3, "7 days"),)
#: (what, the candidate's rules, its columns, what was sent before, reason).
CASES: tuple[tuple[str, tuple[Row, ...], Row, list[Row] | None, str | None], ...] = (
    ("no caps", (), {}, [sent(NOW)] * 9, None),
    ("nothing sent", THREE, {}, None, None),
    ("one below the cap", THREE, {}, [sent(NOW - HOUR)] * 2, None),
    ("at the cap", THREE, {}, [sent(NOW - HOUR)] * 3, "frequency_capped"),
    ("above the cap", THREE, {}, [sent(NOW - HOUR)] * 4, "frequency_capped"),
    ("exactly the period ago", THREE, {}, [sent(NOW - HOUR)] * 2 + [sent(NOW - 7 * DAY)], None),
    ("just within the period", THREE, {}, [sent(NOW - HOUR)] * 2 + [sent(NOW - 7 * DAY + INSTANT)], "frequency_capped"),
    ("itself, which is made up for", (cap(1, "7 days"),), {"message_id": "m-0"}, [sent(NOW - HOUR)], None),
    ("of another campaign", THREE, {}, [sent(NOW - HOUR, "other")] * 3, None),
    ("on another channel, all count", THREE, {}, [sent(NOW - HOUR, channel="sms")] * 3, "frequency_capped"),
    ("on another channel, one counts", (cap(1, "7 days", channel="email"),), {}, [sent(NOW, channel="sms")], None),
    ("the cap of another channel", (cap(1, "7 days", channel="sms"),), {}, [sent(NOW, channel="sms")], None),
    ("another campaign of the category", (cap(1, "1 day", category="news"),), {"category": "news"},
     [sent(NOW, "other", "news")], "frequency_capped"),
    ("a category that is not known", (cap(1, "1 day", category="news"),), {"category": "news"},
     [sent(NOW, "other", None)], None),  # type: ignore[arg-type]  # a row from before the column
    ("two caps, the second is full", (cap(9, "1 day"), cap(1, "1 hour")), {},
     [sent(NOW - HOUR / 2)], "frequency_capped"),
    ("today, from its first moment", (cap(1, "day"),), {"zone": "Pacific/Apia"},
     [sent(datetime(2026, 2, 28, 11, 0, tzinfo=NOW.tzinfo))], "frequency_capped"),
    ("yesterday, to its last", (cap(1, "day"),), {"zone": "Pacific/Apia"},
     [sent(datetime(2026, 2, 28, 11, 0, tzinfo=NOW.tzinfo) - INSTANT)], None),
    # 1 March 2026 is a Sunday: the week began on Monday, 23 February.
    ("this week", (cap(1, "week"),), {}, [sent(datetime(2026, 2, 23, tzinfo=NOW.tzinfo))], "frequency_capped"),
    ("last week", (cap(1, "week"),), {}, [sent(datetime(2026, 2, 22, 23, 59, tzinfo=NOW.tzinfo))], None),
    ("last month, in UTC", (cap(1, "month"),), {}, [sent(datetime(2026, 2, 28, 23, tzinfo=NOW.tzinfo))], None),
    ("the same moment, this month in Kathmandu", (cap(1, "month"),), {"zone": "Asia/Kathmandu"},
     [sent(datetime(2026, 2, 28, 23, tzinfo=NOW.tzinfo))], "frequency_capped"),
)  # fmt: skip


def test_what_was_sent_before() -> None:
    rows = [
        row(f"d-{n}", caps, customer_id=f"c-{n}", sent_before=before, **changes)
        for n, (_, caps, changes, before, _) in enumerate(CASES)
    ]
    found = judged(rows)
    for n, (what, *_, reason) in enumerate(CASES):
        assert found[f"d-{n}"][0] == reason, what


def test_the_value_says_what_decided() -> None:
    before = [sent(NOW - 2 * DAY), sent(NOW - DAY, channel="sms"), sent(NOW - 3 * DAY)]
    found = judged([row(caps=THREE, sent_before=before)])
    assert found == {
        "d-1": (
            "frequency_capped",
            "cap 3/7d: 3 sent, last 2026-02-28T09:30Z by campaign welcome",
        )
    }


def test_the_highest_priority_wins_and_the_others_say_to_whom_they_lost() -> None:
    caps = (cap(1, "1 day", category="news"),)
    rows = [
        row("d-1", caps, campaign_id="low", category="news", priority=10, occurred_at=NOW - 9 * HOUR),
        row("d-2", caps, campaign_id="high", category="news", priority=90),
        row("d-3", (), campaign_id="free", priority=1),
        row("d-4", caps, campaign_id="elsewhere", category="news", priority=1, customer_id="c-2"),
    ]
    expected = {
        "d-1": ("lost_to_priority", "cap 1/1d: 0 sent, lost to campaign high (priority 90)"),
        "d-2": (None, None),
        "d-3": (None, None),
        "d-4": (None, None),
    }
    assert judged(rows) == expected
    assert judged(rows[::-1]) == expected


def test_among_equals_the_earlier_trigger_wins_then_the_message_id() -> None:
    caps = (cap(2, "1 day"),)
    rows = [
        row("d-1", caps),
        row("d-2", caps, occurred_at=NOW - 2 * HOUR),
        row("d-3", caps),
        row("d-4", caps, occurred_at=NOW),
    ]
    found = judged(rows)
    assert [found[f"d-{n}"][0] for n in range(1, 5)] == [None, None, "lost_to_priority", "lost_to_priority"]


def test_who_does_not_get_it_takes_nobodys_place() -> None:
    caps = (cap(1, "1 day", category="news"),)
    rows = [
        row("d-1", caps, campaign_id="high", category="news", priority=90, granted=False),
        row("d-2", caps, campaign_id="mid", category="news", priority=50, cancelled_by="e-1"),
        row("d-3", caps, campaign_id="low", category="news", priority=10),
    ]
    found = judged(rows)
    assert {key: value[0] for key, value in found.items()} == {
        "d-1": "no_consent",
        "d-2": "cancelled",
        "d-3": None,
    }


def test_a_full_cap_is_no_lost_comparison() -> None:
    caps = (cap(1, "1 day"),)
    rows = [row("d-1", caps, priority=90), row("d-2", caps)]
    for one in rows:
        one["sent_before"] = [sent(NOW - HOUR)]
    assert {value[0] for value in judged(rows).values()} == {"frequency_capped"}


def test_a_cap_of_a_category_or_a_channel_is_no_concern_of_the_others() -> None:
    of_news, of_sms = (cap(1, "day", category="news"),), (cap(1, "day", channel="sms"),)
    shared: Row = {"customer_id": "c-1", "sent_before": [sent(NOW - HOUR, channel="sms", category="other")]}
    rows = [
        row("d-news", campaign_id="first", category="news", priority=90, **shared),
        row("d-offer", of_news, campaign_id="offer", category="offers", **shared),
        row("d-more", of_news, campaign_id="more", category="news", priority=10, **shared),
        row("d-mail", of_sms, campaign_id="mail", category="offers", **shared),
    ]
    reasons = {decision: reason for decision, (reason, _) in judged(rows).items()}
    assert reasons == {"d-news": None, "d-offer": None, "d-more": "lost_to_priority", "d-mail": None}


def test_what_something_else_stops_is_asked_too_and_takes_no_room() -> None:
    once = (cap(1, "7 days"),)
    rows = [
        row("d-1", once, granted=False, sent_before=[sent(NOW - HOUR)]),
        row("d-2", once, granted=False, customer_id="c-2"),
        row("d-3", once, customer_id="c-2", occurred_at=NOW),
        row("d-4", once, granted=False, customer_id="c-2", channel="sms", occurred_at=NOW - 2 * HOUR),
        row("d-5", once, customer_id="c-3", customer=None),
    ]
    found = {
        one["decision_id"]: one
        for one in decide(arrow(rows, joined_schema()), Unit("triggered", 0, NOW, 1)).to_pylist()
    }
    gates = {name: {gate["gate"]: gate for gate in one["gates"]} for name, one in found.items()}
    assert {name: one["reason"] for name, one in found.items()} == {
        "d-1": "no_consent", "d-2": "no_consent", "d-3": None, "d-4": "no_consent", "d-5": "unknown_customer",
    }  # fmt: skip
    capped = gates["d-1"]["frequency_cap"]
    assert (capped["passed"], capped["value"][:15]) == (False, "cap 1/7d: 1 sen")
    # Of the unit only what is sent counts, whatever the order of the triggers.
    assert {name: found_["arbitration"]["passed"] for name, found_ in gates.items()} == {
        "d-1": True, "d-2": False, "d-3": True, "d-4": False, "d-5": True,
    }  # fmt: skip
