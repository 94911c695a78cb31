"""Rows that are judged against each other: one channel of several, turns by the delivery rate, re-entry, caps."""

from __future__ import annotations

from typing import Any

from pipelines.campaigns.hours import NO_RULES
from pipelines.decide import Unit, decide
from pipelines.decide.policy import policy_row
from tests.builders import NOW, Row, arrow, audience_row, candidate_row, make_campaign, scheduled_campaign
from tests.pipelines.decide.test_gates import MINUTE, SCHEMA

ORDER = ("push", "email", "sms")
RAMP = {"per_minute": 4, "ramp": [{"minutes": 2, "per_minute": 1}, {"minutes": 1, "per_minute": 3}]}


def choosing(choice: str, **keys: Any) -> Row:
    return policy_row(make_campaign(None, channels=list(ORDER), channel_choice=choice, **keys), NO_RULES)


def on_every_channel(name: str, rules: Row, person: Row | None = None, **changes: Any) -> list[Row]:
    """One customer on each channel; what is changed by channel is given as {channel: changes}."""
    by_channel = changes.pop("by_channel", {})
    common: Row = {
        "origin": name,
        "customer_id": name,
        "policy": rules,
        "customer": person or audience_row(name),
    }
    return [
        candidate_row(
            **{"decision_id": f"{name}/{channel}", "channel": channel, **common, **changes}
            | by_channel.get(channel, {})
        )
        for channel in ORDER
    ]


def outcomes(rows: list[Row]) -> dict[str, tuple[str, Any, Any]]:
    """Reason, minutes to wait and the gates' values, by decision."""
    made = decide(arrow(rows, SCHEMA), Unit("triggered", 0, NOW, 1))
    assert made.num_rows == len(rows)
    return {
        row["decision_id"]: (
            row["reason"] or row["decision"],
            None if row["due_at"] is None else (row["due_at"] - NOW).total_seconds() / 60,
            {one["gate"]: one["value"] for one in row["gates"]},
        )
        for row in made.to_pylist()
    }


def test_one_channel_is_chosen_among_those_that_reach() -> None:
    prefers = audience_row(preferred_channel="sms")
    first, preferred = choosing("first"), choosing("preferred")
    rows = [
        *on_every_channel("first", first),
        *on_every_channel("next", first, audience_row(push_token=None)),
        *on_every_channel("consent", first, by_channel={"push": {"granted": False}}),
        *on_every_channel("bounced", first, by_channel={"push": {"suppressed_by": "hard_bounce"}}),
        *on_every_channel("broken", first, audience_row(invalid_channels=["push", "email"])),
        *on_every_channel("nowhere", first, granted=False),
        *on_every_channel("preferred", preferred, prefers),
        *on_every_channel("not_preferred", preferred, prefers, by_channel={"sms": {"granted": False}}),
        *on_every_channel("no_wish", preferred, audience_row(preferred_channel=None)),
        *on_every_channel("odd_wish", preferred, audience_row(preferred_channel="pigeon")),
        *on_every_channel("all", choosing("all"), prefers),
        # Whatever stands against all channels alike does not unchoose one.
        *on_every_channel("paused", first, campaign_status="paused"),
    ]
    found = outcomes(rows)
    no = "channel_not_chosen"
    assert {name: tuple(found[f"{name}/{c}"][0] for c in ORDER) for name in {r["origin"] for r in rows}} == {
        "first": ("sent", no, no),
        "next": ("no_address", "sent", no),
        "consent": ("no_consent", "sent", no),
        "bounced": ("suppressed", "sent", no),
        "broken": ("invalid_address", "invalid_address", "sent"),
        "nowhere": ("no_consent", "no_consent", "no_consent"),
        "preferred": (no, no, "sent"),
        "not_preferred": ("sent", no, "no_consent"),
        "no_wish": ("sent", no, no),
        "odd_wish": ("sent", no, no),
        "all": ("sent", "sent", "sent"),
        "paused": ("campaign_paused",) * 3,
    }
    assert found["preferred/push"][2]["channel_choice"] == "sms"


def test_a_channel_that_the_campaign_has_given_up_since_is_not_chosen() -> None:
    prefers = audience_row(preferred_channel="sms")
    rows = [
        row
        for choice in ("first", "preferred", "all")
        for row in on_every_channel(choice, choosing(choice) | {"channels": ["email"]}, prefers, is_due=True)
    ]
    found = {name: outcome[0] for name, outcome in outcomes(rows).items()}
    no = "channel_not_chosen"
    assert found == {
        f"{choice}/{channel}": "sent" if channel == "email" else no
        for choice in ("first", "preferred", "all")
        for channel in ORDER
    }


def test_campaigns_with_equal_rules_choose_each_for_itself() -> None:
    first = choosing("first")
    granted = {"push": {"granted": False}, "email": {"granted": True}}
    rows = [
        row | {"campaign_id": campaign, "decision_id": f"{campaign}/{row['channel']}"}
        for campaign, by_channel in (("one", {}), ("other", granted))
        for row in on_every_channel("e-1", first, by_channel=by_channel)
    ]
    found = {name: outcome[0] for name, outcome in outcomes(rows).items()}
    no = "channel_not_chosen"
    assert [found[f"one/{c}"] for c in ORDER] == ["sent", no, no]
    assert [found[f"other/{c}"] for c in ORDER] == ["no_consent", "sent", no]


def test_while_a_message_waits_no_channel_is_chosen() -> None:
    delayed = choosing("first", trigger={"explicit": True, "delay": "2 hours"})
    quiet = choosing("first", quiet_hours={"from": "10:00", "to": "11:00"})
    rows = [
        *on_every_channel("d", delayed),
        *on_every_channel("q", quiet),
        *on_every_channel("due", delayed, is_due=True),
    ]
    found = outcomes(rows)
    assert [found[f"d/{c}"][:2] for c in ORDER] == [("held_delay", 60.0)] * 3
    assert [found[f"q/{c}"][:2] for c in ORDER] == [("held_quiet_hours", 30.0)] * 3
    assert [found[f"due/{c}"][0] for c in ORDER] == ["sent", "channel_not_chosen", "channel_not_chosen"]


def queue(count: int, rules: Row, name: str, **changes: Any) -> list[Row]:
    return [
        candidate_row(
            **{
                "decision_id": f"{name}/{n}",
                "origin": f"{name}/{n}",
                "campaign_id": name,
                "policy": rules,
                "occurred_at": NOW - (count - n) * MINUTE,
                **changes,
            }
        )
        for n in range(count)
    ]


def test_turns_by_the_delivery_rate() -> None:
    two = policy_row(make_campaign(None, rate={"per_minute": 2}), NO_RULES)
    ramped = policy_row(scheduled_campaign(rate=RAMP), NO_RULES)
    rows = [
        *queue(5, two, "two"),
        *queue(2, two, "late", rate_free_at=NOW + 3 * MINUTE),
        *queue(2, two, "early", rate_free_at=NOW - 3 * MINUTE),
        *queue(5, two, "due", is_due=True, has_turn=True, rate_free_at=NOW + 3 * MINUTE),
        # It has waited for something else, and takes its place behind what is held already.
        *queue(5, two, "opened", is_due=True, has_turn=False, rate_free_at=NOW + 3 * MINUTE),
        *queue(11, ramped, "ramp"),
        *queue(5, ramped, "ramp_due", is_due=True, has_turn=True),
        *queue(5, ramped, "ramp_opened", is_due=True, has_turn=False),
        *queue(3, policy_row(make_campaign(), NO_RULES), "free"),
        # What is excluded takes nobody's turn.
        *queue(3, two, "excluded", granted=False),
    ]
    rows[0]["granted"] = False
    found = outcomes(rows)

    def turns(name: str, count: int) -> list[float]:
        return [found[f"{name}/{n}"][1] or 0.0 for n in range(count)]

    assert found["two/0"][0] == "no_consent"
    assert turns("two", 5) == [0, 0, 0, 1, 1]
    assert [found[f"two/{n}"][0] for n in range(1, 5)] == ["sent", "sent", "held_rate", "held_rate"]
    assert turns("late", 2) == [3, 3]
    assert turns("early", 2) == [0, 0]
    assert turns("due", 5) == [0, 0, 1, 1, 2]
    assert turns("opened", 5) == [3, 3, 4, 4, 5]
    assert turns("ramp_opened", 5) == [0, 1, 2, 2, 2]
    assert turns("ramp", 11) == [0, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4]
    assert turns("ramp_due", 5) == [0, 0, 0, 0, 1]
    assert [found[f"free/{n}"][0] for n in range(3)] == ["sent"] * 3
    assert [found[f"excluded/{n}"][0] for n in range(3)] == ["no_consent"] * 3
    assert found["two/3"][2]["rate"] == "message 3 of the unit, 2 a minute"
    assert found["free/0"][2]["rate"] is None


def test_caps_come_before_the_rate() -> None:
    keys: Row = {"rate": {"per_minute": 1}, "frequency_caps": [{"at_most": 2, "per": "1 day"}]}
    one = policy_row(make_campaign(None, **keys), NO_RULES)
    waits = policy_row(make_campaign(None, trigger={"explicit": True, "delay": "1 day"}), NO_RULES)
    rows = [
        *(row | {"message_id": f"m-{n}"} for n, row in enumerate(queue(3, one, "r"))),
        *queue(1, waits, "w", message_id="m-9"),
    ]
    found = outcomes(rows)
    assert [found[f"r/{n}"][:2] for n in range(3)] == [
        ("sent", None),
        ("held_rate", 1.0),
        ("lost_to_priority", None),
    ]
    assert found["w/0"][0] == "held_delay"


def test_of_several_in_one_unit_re_entry_lets_the_first_through() -> None:
    trigger = {"explicit": True, "reentry": {"once_per": "order_id"}}
    rules = policy_row(make_campaign(None, trigger=trigger, data={"order_id": "string"}), NO_RULES)

    def one(number: int, data: str, **changes: Any) -> Row:
        named = {"decision_id": f"d-{number}", "source_id": f"t-{number}", "origin": f"o-{number}"}
        return candidate_row(**{"policy": rules, "channel": "sms", "data": data, **named, **changes})

    rows = [
        one(1, '{"order_id":"o-1"}'),
        one(2, '{"order_id":"o-1"}', occurred_at=NOW - 120 * MINUTE),
        one(3, '{"order_id":"o-2"}'),
        one(4, "{}"),
        one(5, "{}"),
        one(6, '{"order_id":"o-1"}', customer_id="c-2"),
        one(7, '{"order_id":"o-3"}', granted=False),
        one(8, '{"order_id":"o-3"}'),
        # 1.0 and 1 are two order numbers.
        one(9, '{"order_id":1}'),
        one(10, '{"order_id":1.0}'),
        # One trigger on two channels, and another trigger of the same order on one of them.
        one(11, '{"order_id":"o-4"}', channel="email"),
        one(12, '{"order_id":"o-4"}', source_id="t-11", origin="o-11"),
        one(13, '{"order_id":"o-4"}', channel="email", occurred_at=NOW),
    ]
    found = outcomes(rows)
    assert found.pop("d-13")[0] == "reentry"
    assert found.pop("d-1") == ("reentry", None, found["d-2"][2] | {"reentry_in_unit": "t-2"})
    assert found.pop("d-7")[0] == "no_consent"
    assert {outcome for outcome, *_ in found.values()} == {"sent"}
    assert len(found) == 10


#: (rule, days since the earlier message, its order, whether it forbids another).
REENTRIES = (
    ("once", 300.0, "o-1", True),
    ({"once_per": "7 days"}, 6.99, "o-1", True),
    ({"once_per": "7 days"}, 7.0, "o-1", False),
    ({"once_per": "order_id"}, 300.0, "o-1", True),
    ({"once_per": "order_id"}, 1.0, "o-2", False),
    ({"once_per": "order_id"}, 1.0, None, False),
)


def test_re_entry_is_asked_of_each_campaign_though_their_rules_be_equal() -> None:
    once = policy_row(make_campaign(None, trigger={"explicit": True, "reentry": "once"}), NO_RULES)
    rows = [
        candidate_row(decision_id=name, campaign_id=campaign, source_id=name, policy=once)
        for campaign, name in (("one", "t-1"), ("one", "t-2"), ("other", "t-3"), ("other", "t-4"))
    ]
    found = outcomes(rows)
    assert [found[f"t-{n}"][0] for n in (1, 2, 3, 4)] == ["sent", "reentry"] * 2


def test_the_same_trigger_on_another_channel_is_no_earlier_message() -> None:
    campaign = make_campaign(None, trigger={"explicit": True, "reentry": "once"})
    earlier = {"sent_at": NOW - 10 * MINUTE, "source_id": "t-1", "data": "{}"}
    rows = [
        candidate_row(
            decision_id=source, source_id=source, entries=[earlier], policy=policy_row(campaign, NO_RULES)
        )
        for source in ("t-1", "t-2")
    ]
    assert {name: outcome for name, (outcome, *_) in outcomes(rows).items()} == {
        "t-1": "sent",
        "t-2": "reentry",
    }


def test_what_an_earlier_message_forbids() -> None:
    rows = []
    for number, (rule, days, order, _) in enumerate(REENTRIES):
        campaign = make_campaign(
            None, trigger={"explicit": True, "reentry": rule}, data={"order_id": "string"}
        )
        data = "{}" if order is None else f'{{"order_id":"{order}"}}'
        sent_at = NOW - days * 1_440 * MINUTE
        earlier = {"sent_at": sent_at, "source_id": "e-0", "data": data}
        older = {"sent_at": sent_at - 9_999 * MINUTE, "source_id": "e-9", "data": data}
        rows.append(
            candidate_row(
                decision_id=str(number),
                customer_id=f"c-{number}",
                data='{"order_id":"o-1"}',
                policy=policy_row(campaign, NO_RULES),
                entries=[earlier, older],
            )
        )
    found = outcomes(rows)
    for number, (rule, days, order, is_forbidden) in enumerate(REENTRIES):
        outcome, _, values = found[str(number)]
        assert (outcome == "reentry") == is_forbidden, (rule, days, order)
        if is_forbidden:
            assert values["reentry_allowed"].startswith("e-0 at 20"), (rule, days, order)
