"""What explain and why-not say of a run that has not ended: its decisions are recorded, and may not have left yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conf import Settings
from pipelines.edges.manifests import ManifestStore
from tests.builders import HOUR, NOW
from tests.commands import carillon
from tests.traces import Traces


@pytest.fixture
def traces(settings: Settings) -> Traces:
    """A run that is to send three messages, of which one did not render; one more that it held was released."""
    made = Traces(settings)
    made.begin()
    later = {"pipeline": "triggered-holds", "decided_at": NOW + HOUR}
    made.decide(
        *[made.decision(f"m-{number}") for number in (1, 2, 3)],
        made.decision("m-3", stage="render", decision="failed", reason="render_type"),
        made.decision("m-4", decision="excluded", reason="no_consent", customer_id="c-2"),
        made.decision("m-5", decision="held", reason="held_rate", due_at=NOW + HOUR, customer_id="c-2"),
        made.decision("m-5", decision_id="d-6", customer_id="c-2", **later),
    )
    return made


def counts(environment: dict[str, str], *arguments: str) -> list[tuple[Any, ...]]:
    (line,) = carillon(environment, "why-not", *arguments, "--json")
    fields = ("decision", "is_under_way", "reason", "count")
    return [tuple(one[name] for name in fields) for one in json.loads(line)["lines"]]


def test_explain_does_not_call_sent_what_a_run_has_only_decided(
    traces: Traces, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("explain", "--customer", "c-1")
    asked: list[str] = []
    find = ManifestStore.result

    def count(self: ManifestStore, app_id: str, unit: int) -> dict[str, Any] | None:
        asked.append(app_id)
        return find(self, app_id, unit)

    monkeypatch.setattr(ManifestStore, "result", count)
    told = carillon(environment, *ask)
    about = (
        f"2026-03-01T09:30:00Z  spring_letter, sms: to be sent: its run has not ended (run {traces.run_id})"
    )
    assert told[:3] == [about] * 3
    assert "not sent: render_type" in told[3]
    # However many decisions of it are told.
    assert asked == [f"{traces.pipeline}/run"]
    decisions = json.loads(carillon(environment, *ask, "--json")[0])["decisions"]
    assert [row["is_under_way"] for row in decisions] == [True, True, True, False]
    # What was released is a unit of the stream's.
    story = carillon(environment, "explain", "--customer", "c-2")
    assert f": sent (run {traces.run_id})" in story[2]
    assert not any("to be sent" in line for line in story)
    traces.finish(f"{traces.pipeline}/run", 0, 2)
    assert f": sent (run {traces.run_id})" in carillon(environment, *ask)[0]
    decisions = json.loads(carillon(environment, *ask, "--json")[0])["decisions"]
    assert not any(row["is_under_way"] for row in decisions)


@pytest.mark.parametrize("question", ["--campaign", "--run"])
def test_why_not_counts_apart_what_a_run_has_only_decided(
    traces: Traces, environment: dict[str, str], question: str
) -> None:
    ask = (question, "spring_letter" if question == "--campaign" else traces.run)
    rest = [("excluded", False, "no_consent", 1), ("failed", False, "render_type", 1)]
    assert counts(environment, *ask) == [("sent", True, None, 2), *rest, ("sent", False, None, 1)]
    told = carillon(environment, "why-not", *ask)
    assert told[0] == "         2  spring_letter, sms  to be sent: their run has not ended"
    assert told[-1] == "         1  spring_letter, sms  sent"
    traces.finish(f"{traces.pipeline}/run", 0, 2)
    assert counts(environment, *ask) == [("sent", False, None, 3), *rest]


def test_a_run_is_asked_for_by_its_pipeline_too(traces: Traces, environment: dict[str, str]) -> None:
    assert counts(environment, "--run", traces.pipeline)[0] == ("sent", True, None, 2)
    assert counts(environment, "--run", "triggered-holds") == [("sent", False, None, 1)]
