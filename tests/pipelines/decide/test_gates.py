"""The truth table of the gates: what passes, what fails, and null in every column that a gate reads."""

from __future__ import annotations

import re
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.decide import GATES, decide, render_failures
from pipelines.decide.gates import first_reason, verdicts
from schemas.reasons import codes_of
from schemas.tables import table
from tests.builders import (
    CANDIDATE_SCHEMA,
    HOUR,
    NOW,
    Row,
    audience_row,
    candidate_row,
    customer_schema,
    frame,
    ledger_row,
)

LEDGER = table("ledger").schema()
SCHEMA = f"{CANDIDATE_SCHEMA}, customer {customer_schema()}, is_repeated boolean, granted boolean"

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
    ("address_present", {}, True),
    ("address_present", {"channel": "sms"}, True),
    ("address_present", {"channel": "push"}, True),
    ("address_present", {"customer": audience_row(email=None)}, False),
    ("address_present", {"customer": audience_row(email="")}, False),
    ("address_present", {"customer": audience_row(email=" ")}, False),
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
)

#: The columns that each gate reads, as they occur in its expression.
READ = re.compile(r"'?`?(customer\.)?([a-z_]+)`?")


def judged(spark: SparkSession) -> list[Any]:
    rows = [candidate_row(decision_id=str(n), **changes) for n, (_, changes, _) in enumerate(TRUTHS)]
    given = frame(spark, rows, SCHEMA).withColumn("decided_at", F.lit(NOW))
    made = given.select("decision_id", verdicts().alias("gates"), first_reason().alias("reason"))
    return sorted(made.collect(), key=lambda row: int(row.decision_id))


def test_truth_table(spark: SparkSession) -> None:
    rows = judged(spark)
    found = [
        next(verdict.passed for verdict in row.gates if verdict.gate == gate)
        for row, (gate, _, _) in zip(rows, TRUTHS, strict=True)
    ]
    assert found == [passes for _, _, passes in TRUTHS]
    names = [gate.name for gate in GATES]
    reasons = {gate.name: gate.reason for gate in GATES}
    for row in rows:
        assert [verdict.gate for verdict in row.gates] == names
        failed = [verdict.gate for verdict in row.gates if not verdict.passed]
        # The reason is that of the first gate that fails, in the order of GATES.
        assert row.reason == (reasons[failed[0]] if failed else None)


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


def columns_read(gate: Any) -> set[str]:
    """The candidate's columns that the gate's test refers to."""
    text = str(gate.passes()._jc.toString())
    known = set(candidate_row()) | {f"customer.{name}" for name in audience_row()}
    found = {match.group(0).strip("'`") for match in READ.finditer(text)}
    return {name for name in known if name in found or f"'{name}" in text}


def is_null_in(changes: Row, column: str) -> bool:
    if column.startswith("customer."):
        customer = changes.get("customer", {})
        return customer is None or (bool(customer) and customer[column.removeprefix("customer.")] is None)
    return column in changes and changes[column] is None


def test_every_gate_is_tried_with_null_in_every_column_it_reads(spark: SparkSession) -> None:
    assert spark
    assert untried(GATES, TRUTHS) == []
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
    assert len({gate.name for gate in GATES}) == len(GATES)


def run_decide(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return decide(frame(spark, rows, SCHEMA), F.lit(NOW), "triggered", 3, 7)


def test_decisions_whole(spark: SparkSession) -> None:
    rows = [
        candidate_row(decision_id="d-1", customer=audience_row(locale="de-AT"), variant="a"),
        candidate_row(decision_id="d-2", granted=False),
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
        ledger_row(decision_id="d-1", locale="de-AT", variant="a", **shared),
        ledger_row(decision_id="d-2", decision="excluded", reason="no_consent", **shared),
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
    found = run_decide(spark, rows)
    assert_df_equality(
        found.drop("gates"),
        frame(spark, expected, LEDGER).drop("gates"),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert found.schema["gates"].dataType.simpleString() == LEDGER["gates"].dataType.simpleString()
    values = {row.decision_id: {g.gate: g.value for g in row.gates} for row in found.collect()}
    assert values["d-2"]["consent_given"] == "reminders/email/false"
    assert values["d-3"]["customer_known"] == "false"


def test_no_evidence_shows_an_address(spark: SparkSession) -> None:
    rows = [candidate_row(decision_id=channel, channel=channel) for channel in ("email", "sms", "push")]
    text = " ".join(
        row.text for row in run_decide(spark, rows).select(F.to_json("gates").alias("text")).collect()
    )
    person = audience_row()
    assert all(person[column] not in text for column in ("email", "phone", "push_token"))


def test_render_failures_whole(spark: SparkSession) -> None:
    sent = [ledger_row(decision_id=f"d-{n}", message_id=f"m-{n}") for n in range(3)]
    failures = spark.createDataFrame(
        [("m-0", "failed", "render_undefined", "line 1"), ("m-2", "excluded", "aborted", "not today")],
        "message_id string, outcome string, reason string, detail string",
    )
    expected = [
        {
            **sent[0],
            "stage": "render",
            "decision": "failed",
            "reason": "render_undefined",
            "detail": "line 1",
        },
        {**sent[2], "stage": "render", "decision": "excluded", "reason": "aborted", "detail": "not today"},
    ]
    expected = [row | {"stage": "render"} for row in expected]
    found = render_failures(frame(spark, sent, LEDGER), failures)
    assert_df_equality(found, frame(spark, expected, LEDGER), ignore_row_order=True, ignore_nullable=True)
