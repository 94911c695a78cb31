"""Thousands of generated scenarios: Spark and the plain-Python oracle decide alike, to the second."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.decide import decide
from pipelines.decide.inputs import JOINED
from pipelines.decide.policy import policy_row
from tests.builders import CANDIDATE_SCHEMA, customer_schema, frame
from tests.oracle.decisions import Scenario, Verdict, expect
from tests.oracle.scenarios import scenarios

COUNT = 2_000
ADDED = ", ".join(f"{name} {kind}" for name, kind in JOINED.items() if name != "policy")
SCHEMA = (
    f"{CANDIDATE_SCHEMA}, customer {customer_schema()}, is_repeated boolean, granted boolean, {ADDED}, "
    "now timestamp"
)


def generate(count: int) -> list[Scenario]:
    """So many scenarios, the same each time. They are decided in one Spark job, so nothing is shrunk."""
    made: list[Scenario] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.seed(20260301)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        made.append(data.draw(scenarios(len(made))))

    collect()
    return made


def decided(spark: SparkSession, generated: list[Scenario]) -> dict[str, Any]:
    """The ledger's row of each decision."""
    rows = []
    for scenario in generated:
        rules = policy_row(scenario.campaign, scenario.house) if scenario.campaign else None
        rows += [{**row, "policy": rules, "now": scenario.now} for row in scenario.rows]
    made = decide(frame(spark, rows, SCHEMA), F.col("now"), "triggered", 0, 1)
    columns = ("decision_id", "decision", "reason", "gates", F.unix_micros("due_at").alias("due_us"))
    return {row.decision_id: row for row in made.select(*columns).collect()}


def differences(row: Any, verdict: Verdict) -> list[str]:
    found = {one.gate: one.passed for one in row.gates}
    due = None if verdict.due_at is None else round(verdict.due_at.timestamp() * 1_000_000)
    pairs = {
        "decision": (row.decision, verdict.decision),
        "reason": (row.reason, verdict.reason),
        "due_at": (row.due_us, due),
        **{gate: (found.get(gate), passed) for gate, passed in verdict.passed.items()},
        "gates": (set(found), set(verdict.passed)),
    }
    return [f"{name}: Spark {a}, oracle {b}" for name, (a, b) in pairs.items() if a != b]


def test_spark_and_the_oracle_decide_alike(spark: SparkSession) -> None:
    generated = generate(COUNT)
    rows = decided(spark, generated)
    seen: Counter[str] = Counter()
    for scenario in generated:
        for verdict in expect(scenario):
            found = differences(rows[verdict.row["decision_id"]], verdict)
            assert not found, (found, scenario.campaign, scenario.house, scenario.now, verdict.row)
            seen[verdict.reason or "sent"] += 1
    # The generator is tried too: each reason that the gates and holds give has occurred.
    assert len(generated) >= 2_000
    assert sum(seen.values()) == len(rows)
    assert min(seen[reason] for reason in REACHED) > 5, seen


REACHED = (
    "sent", "unknown_campaign", "campaign_paused", "duplicate_trigger", "cancelled", "reentry", "expired",
    "unknown_customer", "outside_audience", "no_address", "invalid_address", "suppressed", "no_consent", "holdout",
    "house_holdout",
    "quiet_hours", "outside_window", "channel_not_chosen", "held_delay", "held_quiet_hours", "held_window",
    "held_rate",
)  # fmt: skip
