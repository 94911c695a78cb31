"""Thousands of generated scenarios: the pipeline and the plain-Python oracle decide alike, to the second."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from pipelines.decide import Unit, decide
from pipelines.decide.policy import policy_row
from tests.builders import arrow, joined_schema
from tests.oracle.decisions import Scenario, Verdict, expect
from tests.oracle.drawing import draw_times
from tests.oracle.scenarios import scenarios

COUNT = 2_000


def generate(count: int) -> list[Scenario]:
    """So many scenarios, the same each time. Nothing is shrunk."""
    made: list[Scenario] = []
    draw_times(count, 20260301, lambda data: made.append(data.draw(scenarios(len(made)))))
    return made


def decided(scenario: Scenario) -> dict[str, Any]:
    """The ledger's row of each decision."""
    rules = policy_row(scenario.campaign, scenario.house) if scenario.campaign else None
    rows = [{**row, "policy": rules} for row in scenario.rows]
    made = decide(arrow(rows, joined_schema()), Unit("triggered", 0, scenario.now, 1))
    return {row["decision_id"]: row for row in made.to_pylist()}


def differences(row: Any, verdict: Verdict) -> list[str]:
    found = {one["gate"]: one["passed"] for one in row["gates"]}
    pairs = {
        "decision": (row["decision"], verdict.decision),
        "reason": (row["reason"], verdict.reason),
        "due_at": (row["due_at"], verdict.due_at),
        "variant": (row["variant"], verdict.variant),
        **{gate: (found.get(gate), passed) for gate, passed in verdict.passed.items()},
        "gates": (set(found) - COMPARED, set(verdict.passed) - COMPARED),
    }
    return [f"{name}: decided {a}, oracle {b}" for name, (a, b) in pairs.items() if a != b]


def test_pipeline_and_oracle_decide_alike() -> None:
    generated = generate(COUNT)
    seen: Counter[str] = Counter()
    variants: Counter[str | None] = Counter()
    ramped: Counter[int] = Counter()
    for scenario in generated:
        rows = decided(scenario)
        assert len(rows) == len(scenario.rows)
        for verdict in expect(scenario):
            found = differences(rows[verdict.row["decision_id"]], verdict)
            assert not found, (found, scenario.campaign, scenario.house, scenario.now, verdict.row)
            seen[verdict.reason or "sent"] += 1
            variants[verdict.variant] += 1
            if scenario.campaign and scenario.campaign.kind == "scheduled" and verdict.reason == "held_rate":
                assert verdict.due_at
                ramped[(verdict.due_at - scenario.now) // timedelta(minutes=1)] += 1
    # The generator is tried too: each reason that the gates and holds give has occurred.
    assert len(generated) >= 2_000
    assert min(seen[reason] for reason in REACHED) > 5, seen
    assert min(variants[name] for name in (None, "only", "plain", "gift", "card", "z", "a", "m")) > 5, (
        variants
    )
    # Minutes after the clock: those of the first step, of later ones, and those behind the ramp.
    assert min(ramped[minute] for minute in range(1, 6)) > 5, ramped


#: Gates that compare rows; these scenarios have no such rules, or not for all rows.
COMPARED = {"reentry_in_unit", "frequency_cap", "arbitration", "rate"}
REACHED = (
    "sent", "unknown_campaign", "campaign_paused", "duplicate_trigger", "cancelled", "reentry", "expired",
    "unknown_customer", "outside_audience", "no_address", "invalid_address", "suppressed", "no_consent", "holdout",
    "house_holdout",
    "quiet_hours", "outside_window", "channel_not_chosen", "held_delay", "held_quiet_hours", "held_window",
    "held_rate",
)  # fmt: skip
