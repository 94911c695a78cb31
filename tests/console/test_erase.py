"""What `carillon erase` says of runs that still write to whom it erases, on traces laid by hand, without Spark."""

from __future__ import annotations

import json

from conf import Settings
from tests.commands import carillon
from tests.traces import Traces


def test_a_run_that_still_writes_to_the_customer_is_named(
    settings: Settings, environment: dict[str, str]
) -> None:
    traces = Traces(settings)
    traces.begin()
    traces.decide(traces.decision("m-1"), traces.decision("m-2", customer_id="c-2"))
    traces.control.pause()
    told = carillon(environment, "erase", "--customer", "c-1")
    named = (
        f"Run {traces.run} has not ended, and still sends what it has decided before: `carillon cancel {traces.run}`, "
        "or let it end. Its decisions are left to the next --pending."
    )
    assert named in told
    # Nothing is left for another reason.
    assert not any("today's decisions" in line for line in told)
    (line,) = carillon(environment, "erase", "--pending", "--json")
    said = json.loads(line)
    assert [said[name] for name in ("customers", "is_whole", "under_way")] == [1, False, [traces.run]]
    traces.finish(f"{traces.pipeline}/run", 0, 2)
    told = carillon(environment, "erase", "--pending")
    assert "ledger: 1 rows kept under a pseudonym" in told
    assert not any("has not ended" in line for line in told)
    (line,) = carillon(environment, "erase", "--pending", "--json")
    said = json.loads(line)
    assert (said["is_whole"], said["under_way"]) == (True, [])


def test_a_unit_of_the_stream_is_named_too(settings: Settings, environment: dict[str, str]) -> None:
    traces = Traces(settings)
    traces.pin("triggered/life-1", 0, "triggered")
    traces.decide(traces.decision("m-1", pipeline="triggered", source="trigger", source_id="t-1"))
    told = carillon(environment, "erase", "--customer", "c-1")
    assert "An epoch or release of 'triggered' is under way" in "".join(told)
