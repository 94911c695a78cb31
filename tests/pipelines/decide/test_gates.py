"""The truth table of the gates and holds: what passes, what fails, and null in every column that a gate reads."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pipelines.campaigns.hours import NO_RULES
from pipelines.decide import GATES, HOLDS, Gate, Hold, Unit, decide
from pipelines.decide.decisions import judge
from pipelines.decide.policy import policy_row
from pipelines.decide.rows import JOINED, by_policy
from schemas.reasons import codes_of
from schemas.tables import table
from tests.builders import (
    HOUR,
    NOW,
    Row,
    arrow,
    audience_row,
    candidate_row,
    joined_schema,
    ledger_row,
    make_campaign,
)

LEDGER = table("ledger")
ALL: tuple[Gate | Hold, ...] = (*GATES, *HOLDS)
SCHEMA = joined_schema()
MINUTE = HOUR / 60
#: Where customer c-1 stands among ten thousand, in the holdout of 'welcome' and in that of the house with seed 1.
POINT, HOUSE_POINT = 2_778, 500


def policy(**keys: Any) -> Row:
    """The rules of a campaign that declares these keys."""
    return policy_row(make_campaign(None, **keys), NO_RULES)


def hours(start: str, end: str, otherwise: str = "exclude") -> Row:
    return policy(quiet_hours={"from": start, "to": end, "otherwise": otherwise})


def window(start: str, end: str, otherwise: str = "exclude", days: str = "sun") -> Row:
    rule = {"days": days.split(), "from": start, "to": end, "otherwise": otherwise}
    return policy(send_window=rule)


def waiting(delay: str, **keys: Any) -> Row:
    return policy(trigger={"explicit": True, "delay": delay}, **keys)


def expiring(span: str) -> Row:
    return policy(trigger={"explicit": True, "expires_after": span})


QUIET_NOW = {"from": "10:00", "to": "11:00", "otherwise": "exclude"}
NOWHERE = audience_row(time_zone="Mars/Olympus")
ONCE = policy(trigger={"explicit": True, "reentry": "once"})
EARLIER = [{"sent_at": NOW - HOUR, "source_id": "e-0", "data": "{}"}]

#: (gate, changes to a candidate that passes every gate, whether the gate lets it pass).
TRUTHS: tuple[tuple[str, Row, bool], ...] = (
    ("campaign_known", {}, True),
    ("campaign_known", {"campaign_version": None}, False),
    ("campaign_active", {}, True),
    ("campaign_active", {"campaign_status": "paused"}, False),
    ("campaign_active", {"campaign_status": None}, False),
    ("first_time", {}, True),
    ("first_time", {"is_repeated": True}, False),
    ("first_time", {"is_repeated": None}, False),
    ("not_expired", {"expires_at": None}, True),
    ("not_expired", {"expires_at": NOW + HOUR}, True),
    ("not_expired", {"expires_at": NOW}, False),
    ("not_expired", {"expires_at": NOW - HOUR}, False),
    ("customer_known", {}, True),
    ("customer_known", {"customer": None}, False),
    ("in_audience", {"outside_of": None}, True),
    ("in_audience", {"outside_of": "country = 'AT'"}, False),
    ("address_present", {}, True),
    ("address_present", {"channel": "sms"}, True),
    ("address_present", {"channel": "push"}, True),
    ("address_present", {"customer": audience_row(email=None)}, False),
    ("address_present", {"customer": audience_row(email="")}, False),
    ("address_present", {"customer": audience_row(email=" ")}, False),
    ("address_present", {"customer": audience_row(email="\r\n\t\u00a0")}, False),
    ("address_present", {"channel": "sms", "customer": audience_row(email=None)}, True),
    ("address_present", {"channel": "sms", "customer": audience_row(phone=None)}, False),
    ("address_present", {"channel": "push", "customer": audience_row(push_token=None)}, False),
    ("address_present", {"channel": None}, False),
    ("address_present", {"channel": "pigeon"}, False),
    ("address_present", {"customer": None}, False),
    ("address_valid", {}, True),
    ("address_valid", {"customer": audience_row(invalid_channels=["sms", "push"])}, True),
    ("address_valid", {"customer": audience_row(invalid_channels=["email"])}, False),
    # Null says that nothing was found wrong; whether there is a customer is another gate's question.
    ("address_valid", {"customer": audience_row(invalid_channels=None)}, True),
    ("address_valid", {"customer": None}, True),
    ("address_valid", {"channel": None}, False),
    ("consent_given", {"granted": True}, True),
    ("consent_given", {"granted": False}, False),
    ("consent_given", {"granted": None, "consent_topic": "reminders"}, False),
    ("consent_given", {"granted": None, "consent_topic": "transactional"}, True),
    ("consent_given", {"granted": False, "consent_topic": "transactional"}, False),
    ("consent_given", {"granted": None, "consent_topic": None}, False),
    ("not_cancelled", {"cancelled_by": None}, True),
    ("not_cancelled", {"cancelled_by": "e-9"}, False),
    ("reentry_allowed", {"policy": None, "entries": EARLIER}, True),
    ("reentry_allowed", {"policy": ONCE, "customer_id": "c-8", "entries": None}, True),
    ("reentry_allowed", {"policy": ONCE, "customer_id": "c-7", "entries": [], "data": None}, True),
    ("reentry_allowed", {"policy": ONCE, "entries": EARLIER}, False),
    # The trigger is an hour old; of two ends the first counts.
    ("not_expired", {"policy": None}, True),
    ("not_expired", {"policy": expiring("61 minutes")}, True),
    ("not_expired", {"policy": expiring("60 minutes")}, False),
    ("not_expired", {"policy": expiring("3601 seconds")}, True),
    ("not_expired", {"policy": expiring("3599 seconds")}, False),
    ("not_expired", {"policy": expiring("2 hours"), "expires_at": NOW}, False),
    ("not_expired", {"policy": expiring("59 minutes"), "expires_at": NOW + HOUR}, False),
    ("not_expired", {"policy": expiring("59 minutes"), "occurred_at": None}, True),
    ("not_suppressed", {"suppressed_by": None}, True),
    ("not_suppressed", {"suppressed_by": "hard_bounce"}, False),
    ("not_held_out", {"policy": {**policy(), "holdout_bp": POINT}}, True),
    ("not_held_out", {"policy": {**policy(), "holdout_bp": POINT + 1}}, False),
    ("not_held_out", {"policy": {**policy(), "holdout_bp": 10_000}, "customer_id": "c-2"}, False),
    ("not_held_out", {"policy": {**policy(), "holdout_bp": None}}, True),
    ("not_held_out", {"policy": None, "campaign_id": None, "customer_id": None}, True),
    ("not_held_out_by_house", {"policy": {**policy(), "house_holdout_bp": HOUSE_POINT}}, True),
    ("not_held_out_by_house", {"policy": {**policy(), "house_holdout_bp": HOUSE_POINT + 1}}, False),
    ("not_held_out_by_house", {"policy": None, "customer_id": None}, True),
    # It is Sunday, 10:30 in Vienna.
    ("quiet_hours", {"policy": None}, True),
    ("quiet_hours", {"policy": hours("10:00", "11:00"), "is_due": None}, False),
    ("quiet_hours", {"policy": hours("10:30", "10:31")}, False),
    ("quiet_hours", {"policy": hours("10:31", "10:30")}, True),
    ("quiet_hours", {"policy": hours("22:00", "10:30")}, True),
    ("quiet_hours", {"policy": hours("22:00", "10:31")}, False),
    ("quiet_hours", {"policy": hours("10:00", "11:00", "hold")}, True),
    # Elsewhere the default of the campaign counts, which is UTC: 09:30.
    ("quiet_hours", {"policy": hours("09:30", "09:31"), "customer": NOWHERE}, False),
    ("quiet_hours", {"policy": hours("09:30", "09:31"), "customer": audience_row(time_zone=None)}, False),
    ("quiet_hours", {"policy": hours("09:30", "09:31"), "customer": None}, False),
    ("send_window", {"policy": None}, True),
    ("send_window", {"policy": window("10:30", "10:31"), "is_due": None}, True),
    ("send_window", {"policy": window("10:30", "10:31")}, True),
    ("send_window", {"policy": window("10:31", "10:30", days="mon")}, False),
    ("send_window", {"policy": window("10:31", "10:30", days="sat")}, False),
    ("send_window", {"policy": window("10:31", "10:32")}, False),
    ("send_window", {"policy": window("09:00", "18:00", days="mon sat")}, False),
    ("send_window", {"policy": window("22:00", "11:00", days="sat")}, True),
    ("send_window", {"policy": window("09:00", "10:00", "hold")}, True),
    # While the delay runs, the hour in which it ends is what matters.
    ("quiet_hours", {"policy": waiting("2 hours", quiet_hours=QUIET_NOW)}, True),
    ("quiet_hours", {"policy": waiting("1 hour", quiet_hours=QUIET_NOW)}, False),
    ("channel_choice", {"policy": None}, True),
    ("channel_choice", {"channel": None}, True),
    ("channel_choice", {"channel": "sms", "policy": policy(channel_choice="first")}, True),
    ("delay", {"policy": None}, True),
    ("delay", {"policy": waiting("3600 seconds")}, True),
    ("delay", {"policy": waiting("3601 seconds")}, False),
    ("delay", {"policy": waiting("3599 seconds")}, True),
    ("delay", {"policy": waiting("2 hours"), "is_due": True}, True),
    ("delay", {"policy": waiting("2 hours"), "is_due": False}, False),
    ("delay", {"policy": waiting("until 10:30 local")}, True),
    ("delay", {"policy": waiting("until 10:31 local")}, False),
    ("delay", {"policy": waiting("until 09:31 local")}, True),
    ("delay", {"policy": waiting("until 09:31 local"), "customer": NOWHERE}, False),
    ("delay", {"policy": waiting("until 09:31 local"), "customer": None}, False),
    ("delay", {"policy": waiting("1 hour"), "occurred_at": None}, False),
    # A trigger from the future counts as from now.
    ("delay", {"policy": waiting("1 hour"), "occurred_at": NOW + 99 * HOUR}, False),
    ("quiet_hours_hold", {"policy": None}, True),
    ("quiet_hours_hold", {"policy": hours("10:30", "11:00", "hold")}, False),
    ("quiet_hours_hold", {"policy": hours("10:31", "10:30", "hold")}, True),
    ("quiet_hours_hold", {"policy": hours("10:00", "11:00", "exclude")}, True),
    ("quiet_hours_hold", {"policy": hours("10:00", "11:00", "hold"), "customer": None}, True),
    ("send_window_hold", {"policy": None}, True),
    ("send_window_hold", {"policy": window("10:31", "10:32", "hold")}, False),
    ("send_window_hold", {"policy": window("10:30", "10:31", "hold")}, True),
    ("send_window_hold", {"policy": window("09:00", "10:00", "exclude")}, True),
)


def judged() -> list[Row]:
    rows = [
        candidate_row(**{"decision_id": str(n), "origin": f"o-{n}", **changes})
        for n, (_, changes, _) in enumerate(TRUTHS)
    ]
    return sorted(run_decide(rows).to_pylist(), key=lambda row: int(row["decision_id"]))


def test_truth_table() -> None:
    rows = judged()
    for row, (gate, changes, passes) in zip(rows, TRUTHS, strict=True):
        found = {verdict["gate"]: verdict["passed"] for verdict in row["gates"]}
        assert found[gate] is passes, (gate, changes)
    names = [one.name for one in ALL]
    reasons = {one.name: one.reason for one in ALL}
    for row in rows:
        assert [verdict["gate"] for verdict in row["gates"]][: len(names)] == names
        failed = [verdict["gate"] for verdict in row["gates"] if not verdict["passed"]]
        # The reason is that of the first gate that fails, in the order of GATES; a hold comes after all of them.
        assert row["reason"] == (reasons[failed[0]] if failed else None)
        assert (row["decision"] == "held") == (row["due_at"] is not None)


def untried(gates: Any, truths: Any) -> list[str]:
    """What the table lacks: for each gate a row that passes, one that fails, and null in what it reads."""
    lacking = []
    for gate in gates:
        rows = [(changes, passes) for name, changes, passes in truths if name == gate.name]
        lacking += [
            f"{gate.name}: no row {'passes' if p else 'fails'}"
            for p in (True, False)
            if p not in [passes for _, passes in rows]
        ]
        for column in sorted(columns_read(gate)):
            if not any(is_null_in(changes, column) for changes, _ in rows):
                lacking.append(f"{gate.name}: no row with null in {column}")
    return lacking


def columns_read(gate: Gate) -> set[str]:
    """The candidate's columns that the gate looks at, and those that what it looks at is made of."""
    (rows,) = by_policy(arrow([candidate_row(policy=policy())], SCHEMA), NOW, None)
    judge(rows)
    computed = set(rows.computed) - {name for name in rows.computed if name in candidate_row()}
    rows.read.clear()
    gate.passes(rows)
    made = {source for name in rows.read for source in MADE_OF.get(name, ())}
    return {name for name in rows.read if name not in computed or "." in name} | made


#: What the computed columns that gates look at are made of.
MADE_OF = {
    "deadline": {"expires_at", "occurred_at", "policy"},
    "is_delayed": {"policy", "is_due"},
    "excluded_by": {"policy"},
    "reentered": {"policy", "entries", "data"},
    "chosen_channel": {"policy", "channel"},
}


def is_null_in(changes: Row, column: str) -> bool:
    if column.startswith("customer."):
        customer = changes.get("customer", {})
        return customer is None or (bool(customer) and customer[column.removeprefix("customer.")] is None)
    return column in changes and changes[column] is None


def test_every_gate_is_tried_with_null_in_every_column_it_reads() -> None:
    # Among a single row's channels nothing is chosen against it; `test_stages` compares several.
    assert untried(GATES, TRUTHS) == ["channel_choice: no row fails"]
    # The guard itself: without its rows each gate is reported, and so is a null that nobody tried.
    for gate in GATES:
        assert columns_read(gate), gate.name
        assert untried([gate], [row for row in TRUTHS if row[0] != gate.name])
    assert untried(
        [gate for gate in GATES if gate.name == "consent_given"],
        [row for row in TRUTHS if row[1].get("granted", 0) is not None],
    ) == ["consent_given: no row with null in consent_topic", "consent_given: no row with null in granted"]


def test_reasons_of_gates_are_excluding_ones_in_the_order_of_decisiveness() -> None:
    codes = codes_of("excluded")
    order = [codes.index(gate.reason) for gate in GATES]
    assert order == sorted(order)
    assert len({one.name for one in ALL}) == len(GATES) + len(HOLDS)
    assert {hold.reason for hold in HOLDS} <= set(codes_of("held"))


def run_decide(rows: list[Row]) -> pa.Table:
    return decide(arrow(rows, SCHEMA), Unit("triggered", 3, NOW, 7))


def test_decisions_whole() -> None:
    rows = [
        candidate_row(decision_id="d-1", customer=audience_row(locale="de-AT")),
        candidate_row(
            decision_id="d-2", granted=False, policy=waiting("1 day", priority=7, variants={"a": 1})
        ),
        candidate_row(
            decision_id="d-3",
            campaign_version=None,
            campaign_status=None,
            consent_topic=None,
            channel=None,
            customer=None,
            granted=None,
        ),
    ]
    shared = {"unit": 3, "audience_version": 7, "decided_at": NOW, "decided_date": NOW.date()}
    expected = [
        ledger_row(decision_id="d-1", locale="de-AT", **shared),
        ledger_row(
            decision_id="d-2",
            decision="excluded",
            reason="no_consent",
            variant="a",
            priority=7,
            category="reminders",
            **shared,
        ),
        ledger_row(
            decision_id="d-3",
            decision="excluded",
            reason="unknown_campaign",
            campaign_version=None,
            channel=None,
            locale=None,
            **shared,
        ),
    ]
    found = run_decide(rows)
    whole = pa.Table.from_pylist(expected, schema=LEDGER.arrow_schema())
    assert found.schema == whole.schema
    columns = [name for name in found.column_names if name != "gates"]
    by_id = sorted(found.select(columns).to_pylist(), key=lambda row: str(row["decision_id"]))
    assert by_id == whole.select(columns).to_pylist()
    # What other stages join may be absent: it is the same as null, and nobody is sent to whose past is not known.
    bare = decide(
        arrow(rows, SCHEMA).drop_columns([name for name in JOINED if name != "policy"]),
        Unit("triggered", 3, NOW, 7),
    )
    assert bare.schema == found.schema
    assert set(bare["decision"].to_pylist()) == {"excluded"}
    values = {row["decision_id"]: {g["gate"]: g["value"] for g in row["gates"]} for row in found.to_pylist()}
    assert values["d-2"]["consent_given"] == "reminders/email/false"
    assert values["d-3"]["customer_known"] == "false"


def test_the_zone_that_was_read_and_why_is_recorded() -> None:
    rules = policy(quiet_hours=QUIET_NOW, default_time_zone="Asia/Kathmandu")
    zones = {"known": "Europe/Vienna", "missing": None, "unknown": "Mars/Olympus", "long": "x" * 99}
    rows = [
        candidate_row(decision_id=name, origin=name, policy=rules, customer=audience_row(time_zone=zone))
        for name, zone in zones.items()
    ]
    found = {
        row["decision_id"]: {gate["gate"]: gate["value"] for gate in row["gates"]}
        for row in run_decide(rows).to_pylist()
    }
    assert {name: values["quiet_hours"] for name, values in found.items()} == {
        "known": "Sun 10:30 Europe/Vienna",
        "missing": "Sun 15:15 Asia/Kathmandu (default)",
        "unknown": "Sun 15:15 Asia/Kathmandu (default; 'Mars/Olympus' is no zone)",
        "long": f"Sun 15:15 Asia/Kathmandu (default; '{'x' * 40}' is no zone)",
    }


def test_nobody_considered_is_nobody_decided() -> None:
    assert run_decide([]).equals(pa.Table.from_pylist([], schema=LEDGER.arrow_schema()))


def test_no_evidence_shows_an_address() -> None:
    rows = [candidate_row(decision_id=channel, channel=channel) for channel in ("email", "sms", "push")]
    text = str(run_decide(rows)["gates"].to_pylist())
    person = audience_row()
    assert all(person[column] not in text for column in ("email", "phone", "push_token"))


def test_a_unit_may_state_the_rules_of_all_its_candidates_once() -> None:
    rules = policy(quiet_hours=QUIET_NOW)
    rows = [candidate_row(decision_id=f"d-{n}", customer_id=f"c-{n}") for n in range(3)]
    shared = Unit("run-a-1", 0, NOW, 7, policy=json.dumps(rules))
    found = decide(arrow(rows, SCHEMA).drop_columns("policy"), shared)
    own = decide(arrow([row | {"policy": rules} for row in rows], SCHEMA), Unit("run-a-1", 0, NOW, 7))
    assert found.equals(own)
    assert set(found["reason"].to_pylist()) == {"quiet_hours"}
