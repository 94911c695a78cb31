"""Runs that are paused, resumed and cancelled on real servers; killed meanwhile, too."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.control import ControlPoint, RunControl, Watch
from pipelines.edges.objects import StorageError
from pipelines.edges.plans import PlanStore
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from tests.builders import scheduled_campaign
from tests.killed import killed_at
from tests.pipelines.edges.workspace import Workspace, people
from tests.topics import is_empty

pytestmark = pytest.mark.usefixtures("fresh_topics")
# So many that a run outlasts the second that a task may take to see an order, and as many as show what is counted.
PEOPLE, FEW = 3_000, 60


class Scene(Workspace):
    """A run of many small transactions, to be started, looked at and ordered about."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        super().__init__(spark, settings)
        self.pipeline = f"run-letter-{self.run_id}"
        self.control = RunControl(self.objects, self.pipeline)

    def go(self) -> dict[str, Any]:
        return run_campaign(self.spark, self.settings, "letter", self.run_id)

    def set_transaction(self, messages: int) -> None:
        publish = self.settings.publish.model_copy(update={"messages_per_transaction": messages})
        self.settings = self.settings.model_copy(update={"publish": publish})


@pytest.fixture
def scene(spark: SparkSession, settings: Settings) -> Iterator[Scene]:
    made = Scene(spark, settings)
    made.set_transaction(2)
    made.promote(people(*[f"c-{number}" for number in range(FEW)]))
    made.publish(scheduled_campaign(channels=["sms"]))
    yield made
    # A run that a failed test has left paused would keep the executors from every later test.
    made.control.cancel()


class Running:
    """The run in a thread, to be looked at and ordered about."""

    def __init__(self, scene: Scene) -> None:
        self.result: dict[str, Any] = {}
        self._thread = threading.Thread(target=lambda: self.result.update(scene.go()), daemon=True)
        self._thread.start()

    def wait(self) -> dict[str, Any]:
        self._thread.join(240.0)
        assert not self._thread.is_alive()
        return self.result

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()


def wait_until(holds: Callable[[], bool], timeout_s: float = 240.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sms(result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = result["campaigns"]["letter"]["sms"]
    return found


def die_before(step: str, scene: Scene) -> None:
    with killed_at(step, InputError):
        scene.go()


def test_a_run_is_paused_in_its_middle_goes_on_and_is_cancelled(scene: Scene) -> None:
    scene.promote(people(*[f"c-{number}" for number in range(PEOPLE)]))
    # As slow as can be, and seen early: a task looks for orders once a second.
    scene.set_transaction(1)
    running = Running(scene)
    client = scene.settings.kafka.librdkafka()
    wait_until(lambda: not is_empty(client, "sms.send-batches"))
    scene.control.pause()
    time.sleep(2.5)  # a look a second, and the transaction under way
    held = scene.messages()
    time.sleep(2.0)
    assert scene.messages() == held
    assert 0 < held.total() < PEOPLE
    scene.control.resume()
    wait_until(lambda: scene.messages().total() > held.total())
    scene.control.cancel()
    result = running.wait()
    counts = sms(result)
    assert result["state"] == "cancelled"
    assert held.total() < counts["published"] < PEOPLE
    assert counts["excluded"] == {"cancelled_run": PEOPLE - counts["published"]}
    assert counts["sent"] == counts["published"]
    scene.check()
    again = scene.go()
    assert again == {**result, "already_complete": True}


def test_a_cancelled_run_that_is_killed_again_and_again_ends_cancelled(scene: Scene) -> None:
    scene.control.cancel()
    die_before("pipelines.units.UnitRunner.publish", scene)
    die_before("pipelines.publication.render_failures", scene)
    # Neither a wish that is gone nor another size of transactions brings it back to life: the markers have ended it.
    scene.objects.delete(f"control/{scene.pipeline}/cancel")
    scene.set_transaction(7)
    die_before("pipelines.edges.manifests.ManifestStore.finish", scene)
    result = scene.go()
    assert (result["state"], sms(result)["excluded"]) == ("cancelled", {"cancelled_run": FEW})
    assert not scene.messages()
    scene.check()


def test_a_paused_run_that_was_killed_stays_paused_until_it_is_resumed(scene: Scene) -> None:
    scene.control.pause()
    die_before("pipelines.units.UnitRunner.publish", scene)
    running = Running(scene)
    wait_until(lambda: PlanStore(scene.objects).find(f"{scene.pipeline}/run", 0) is not None)
    time.sleep(3.0)
    assert running.is_alive
    assert not scene.messages()
    scene.control.resume()
    result = running.wait()
    assert (result["state"], sms(result)["published"]) == ("finished", FEW)
    plan = PlanStore(scene.objects).find(f"{scene.pipeline}/run", 0)
    assert plan is not None
    assert (plan.messages, plan.messages_per_transaction) == (FEW, 2)
    scene.check()


def test_a_resumed_run_counts_its_chunks_as_it_began(scene: Scene) -> None:
    """The size of a transaction was changed between a kill and the next start."""
    die_before("pipelines.edges.manifests.ManifestStore.finish", scene)
    assert scene.messages().total() == FEW
    scene.set_transaction(1)
    assert sms(scene.go())["published"] == FEW
    scene.check()


def test_wishes_and_how_often_they_are_looked_at(
    settings: Settings, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(ControlPoint(settings.lake, scene.pipeline))
    assert watch.wanted() == "run"
    scene.control.pause()
    assert (scene.control.wanted(), watch.wanted()) == ("pause", "run")
    wait_until(lambda: watch.wanted() == "pause", 2.0)
    scene.control.cancel()
    assert scene.control.wanted() == "cancel"
    scene.control.resume()
    assert scene.control.wanted() == "cancel"
    assert watch.wait_while_paused() == "cancel"
    assert RunControl(scene.objects, f"{scene.pipeline}0").wanted() == "run"

    def fail(_: RunControl) -> None:
        raise StorageError("no answer")

    monkeypatch.setattr(RunControl, "wanted", fail)
    time.sleep(1.1)
    assert watch.wanted() == "cancel"
    with pytest.raises(StorageError):
        Watch(ControlPoint(settings.lake, scene.pipeline)).wanted()


def test_a_run_tells_how_far_it_is(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.edges.heartbeat.BEAT_EVERY_S", 0.2)
    scene.promote(people(*[f"c-{number}" for number in range(PEOPLE)]))
    lines: list[str] = []
    scene.control.pause()
    begun = threading.Thread(
        target=run_campaign,
        args=(scene.spark, scene.settings, "letter", scene.run_id, lines.append),
        daemon=True,
    )
    begun.start()
    name = f"run letter/{scene.run_id}"
    wait_until(lambda: any(line.startswith(f"{name} is paused: 0 of {PEOPLE:,} published") for line in lines))
    scene.control.resume()
    begun.join(240.0)
    assert any(
        re.match(rf"{name}: [\d,]+ of {PEOPLE:,} published, [\d,]+/s, \d+ s left", line) for line in lines
    ), lines
    assert not scene.objects.list("heartbeats/")
