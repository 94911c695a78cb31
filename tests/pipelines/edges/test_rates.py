"""What a campaign's delivery rate has given away, on a real S3 endpoint: whose places they are, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.decided import Decided
from pipelines.edges.control import RunControl
from pipelines.edges.objects import ObjectStore
from pipelines.edges.rates import Rates, newly_placed
from pipelines.edges.scheduled import run_campaign
from tests.builders import NOW, scheduled_campaign
from tests.pipelines.edges.workspace import Workspace, people

MINUTE = timedelta(minutes=1)
LETTER = scheduled_campaign(rate={"per_minute": 2})


@pytest.fixture
def objects(settings: Settings) -> ObjectStore:
    return ObjectStore(settings.lake)


def decided(**due: float | None) -> Decided:
    """One message each, by decision_id: held so many minutes from `NOW`, or sent."""
    rows = [
        {
            "decision_id": name,
            "stage": "decide",
            "campaign_id": "letter",
            "channel": "sms",
            "decision": "sent" if wait is None else "held",
            "reason": None if wait is None else "held_rate",
            "send_partition": 0,
            "due_at": None if wait is None else NOW + wait * MINUTE,
        }
        for name, wait in due.items()
    ]
    return Decided.few(pa.Table.from_pylist(rows))


def ids_of(one: Decided) -> list[str]:
    assert one.rows is not None
    return list(one.rows["decision_id"].to_pylist())


def places(objects: ObjectStore) -> dict[str, float]:
    """Until how many minutes from `NOW` each pipeline has places."""
    found = Rates(objects).places("letter")
    return {pipeline: (until - NOW) / MINUTE for pipeline, until in found.items()}


@pytest.mark.usefixtures("fresh_topics")
def test_a_cancelled_run_gives_its_places_back(
    spark: SparkSession, settings: Settings, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(spark, settings)
    workspace.promote(people("c-1", "c-2", "c-3", "c-4"))
    workspace.publish(scheduled_campaign(channels=["sms"], rate={"per_minute": 1}))

    def sent_and_held(run: str, minute: int) -> tuple[int, int]:
        monkeypatch.setattr("pipelines.edges.scheduled.now", lambda: NOW + minute * MINUTE)
        line = run_campaign(spark, settings, "letter", run)["campaigns"]["letter"]["sms"]
        return line["sent"], line["held"]

    assert sent_and_held("1", 0) == (1, 3)
    # Behind the first one, however soon it comes.
    assert sent_and_held("2", 1) == (0, 4)
    assert places(objects) == {"run-letter-1": 4, "run-letter-2": 8}
    for run in ("run-letter-1", "run-letter-2"):
        RunControl(objects, run).cancel()
    assert sent_and_held("3", 2) == (1, 3)
    # What a cancelled run has taken is written down, and asked for by nobody.
    assert places(objects) == {"run-letter-1": 4, "run-letter-2": 8, "run-letter-3": 6}
    assert sent_and_held("4", 5) == (0, 4)
    assert places(objects) == {"run-letter-2": 8, "run-letter-3": 6, "run-letter-4": 10}


@pytest.mark.integration
def test_places_are_kept_until_they_are_past(objects: ObjectStore) -> None:
    rates = Rates(objects)
    assert rates.free_at([LETTER]) == {}
    rates.note([LETTER], NOW, {"triggered": decided(a=None, b=None, c=1)}, {})
    assert places(objects) == {"triggered": 1.5}
    rates.note([LETTER], NOW, {"run-letter-1": decided(a=1, b=2)}, {"letter": NOW + 1.5 * MINUTE})
    assert places(objects) == {"triggered": 1.5, "run-letter-1": 2.5}
    assert rates.free_at([LETTER]) == {"letter": NOW + 2.5 * MINUTE}
    # An older unit that is started again takes nothing back.
    rates.note([LETTER], NOW, {"triggered": decided(a=None)}, {})
    assert places(objects) == {"triggered": 1.5, "run-letter-1": 2.5}
    rates.note([LETTER], NOW + 2 * MINUTE, {"run-letter-2": decided(a=2.5)}, {"letter": NOW + 2.5 * MINUTE})
    assert places(objects) == {"run-letter-1": 2.5, "run-letter-2": 3}


@pytest.mark.integration
def test_what_an_older_version_has_written_counts(objects: ObjectStore) -> None:
    rates = Rates(objects)
    objects.write_json("rates/letter.json", {"free_at": (NOW + 3 * MINUTE).isoformat()})
    assert rates.free_at([LETTER]) == {"letter": NOW + 3 * MINUTE}
    rates.note([LETTER], NOW, {"run-letter-1": decided(a=3)}, {"letter": NOW + 3 * MINUTE})
    RunControl(objects, "run-letter-1").cancel()
    assert rates.free_at([LETTER]) == {"letter": NOW + 3 * MINUTE}
    rates.note([LETTER], NOW + 4 * MINUTE, {"triggered": decided(a=None)}, {})
    assert rates.free_at([LETTER]) == {"letter": NOW + 4.5 * MINUTE}


@pytest.mark.integration
def test_what_a_release_places_anew_is_the_run_s_that_holds_it(objects: ObjectStore) -> None:
    rows: list[dict[str, Any]] = [
        {"decision_id": "a", "has_turn": False, "run": "run-letter-1"},
        {"decision_id": "b", "has_turn": True, "run": "run-letter-1"},
        {"decision_id": "c", "has_turn": False, "run": None},
        {"decision_id": "d", "has_turn": None, "run": "run-letter-2"},
    ]
    made = decided(a=None, b=7, c=None, d=1)
    placed = newly_placed(made, pa.Table.from_pylist(rows), "triggered-holds")
    assert {pipeline: ids_of(one) for pipeline, one in placed.items()} == {
        "run-letter-1": ["a"],
        "triggered-holds": ["c"],
        "run-letter-2": ["d"],
    }
    Rates(objects).note([LETTER], NOW, placed, {})
    # Where they stand among the unit's others is not known of those that are sent: at most in its first minute.
    assert places(objects) == {"run-letter-1": 1, "triggered-holds": 1, "run-letter-2": 1.5}
    of_epoch = pa.Table.from_pylist([{"decision_id": "a"}])
    assert ids_of(newly_placed(made, of_epoch, "triggered")["triggered"]) == ["a"]
