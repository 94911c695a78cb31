"""Turns: one holder at a time, a dead one is waited for no longer than its lease, and a slow one is fenced."""

from __future__ import annotations

import threading
import time

import pytest

from conf import Settings
from pipelines.edges.objects import ObjectStore
from pipelines.edges.turns import FOLDER, Turns

pytestmark = pytest.mark.integration


@pytest.fixture
def objects(settings: Settings) -> ObjectStore:
    return ObjectStore(settings.lake)


def test_turns_follow_each_other(objects: ObjectStore) -> None:
    stream, run = Turns(objects, "stream", "a"), Turns(objects, "run", "b")
    numbers = []
    for turns in (stream, run, run, stream):
        with turns.take() as turn:
            numbers.append((turn.number, turn.fence, turn.version))
            assert turns.is_latest(turn)
    assert numbers == [(1, None, 3), (2, None, 5), (3, None, 7), (4, None, 9)]


def test_no_two_hold_a_turn_at_once(objects: ObjectStore, settings: Settings) -> None:
    inside, most, taken = 0, 0, []
    lock = threading.Lock()

    def work(name: str) -> None:
        nonlocal inside, most
        turns = Turns(ObjectStore(settings.lake), name, name)
        for _ in range(5):
            with turns.take() as turn:
                with lock:
                    inside += 1
                    most = max(most, inside)
                    taken.append(turn.number)
                time.sleep(0.02)
                with lock:
                    inside -= 1

    workers = [threading.Thread(target=work, args=(f"run-{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1
    assert sorted(taken) == list(range(1, 21))
    assert len(objects.list(FOLDER)) == 20


def test_a_block_that_raises_releases_its_turn(objects: ObjectStore) -> None:
    turns = Turns(objects, "stream", "a")
    with pytest.raises(ValueError, match="no"), turns.take():
        raise ValueError("no")
    began = time.monotonic()
    with Turns(objects, "run", "b").take() as turn:
        assert turn.fence is None
    assert time.monotonic() - began < 2


def begin(objects: ObjectStore, pipeline: str) -> None:
    """A holder that dies at once: it has a turn, and gives no sign of life."""
    taken = Turns(objects, pipeline, "dead")
    taken._wait()


def test_a_dead_holder_is_waited_for_until_its_lease_has_passed(objects: ObjectStore) -> None:
    begin(objects, "stream")
    began = time.monotonic()
    with Turns(objects, "run", "b", lease_s=1.0).take() as turn:
        assert time.monotonic() - began >= 1.0
        assert (turn.number, turn.fence) == (2, 4)


def test_the_next_driver_of_the_pipeline_does_not_wait(objects: ObjectStore) -> None:
    begin(objects, "stream")
    began = time.monotonic()
    with Turns(objects, "stream", "next").take() as turn:
        assert turn.fence == 4
    assert time.monotonic() - began < 5


def test_a_living_holder_keeps_its_turn_beyond_the_lease(objects: ObjectStore) -> None:
    with Turns(objects, "stream", "a", lease_s=1.0).take():
        waiting = Turns(objects, "run", "b", lease_s=1.0)
        got = threading.Event()

        def wait() -> None:
            with waiting.take():
                got.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not got.wait(2.5)
    waiter.join()
    assert got.is_set()


def test_one_that_was_taken_over_knows_it(objects: ObjectStore) -> None:
    slow = Turns(objects, "stream", "a")
    with slow.take() as turn:
        with Turns(objects, "stream", "b").take() as later:
            # Its append has a higher version than the slow one's, and so has its fence.
            assert turn.version < (later.fence or 0) < later.version
        assert not slow.is_latest(turn)
