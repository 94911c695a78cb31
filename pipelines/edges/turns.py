"""Turns: of all units that can meet a frequency cap, in whatever driver, one at a time reads the ledger and appends.

Invariant: between a turn's beginning and its append nobody else's decisions under a turn enter the ledger. A turn is an
object that is created once; the next number is taken only when the last one was released, or its holder has shown no
sign of life for a whole lease. Who takes over first commits an empty append with a higher transaction version, so that
Delta skips the append of a holder that was only slow. No two clocks are compared: a lease runs on the clock of the one
who waits, from the moment it saw the last sign of life. ADR 5.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.edges.objects import ObjectStore, StorageError, canonical_json

FOLDER = "turns/decide/"
#: The transaction id under which Delta compares the appends of all turns.
APP_ID = "decide"
#: Without a sign of life for so long, a turn's holder counts as dead.
LEASE_S = 30.0
_POLL_S = 0.1
#: In place of the count of signs of life.
RELEASED = -1
#: Old turns are kept for whoever looks; more than a few help nobody.
_KEPT = 20


@dataclass(frozen=True)
class Turn:
    """A turn that is held. `fence`: the version to commit before reading, when somebody else's turn was taken over."""

    number: int
    fence: int | None

    @property
    def version(self) -> int:
        """The transaction version of this turn's append."""
        return 2 * self.number + 1


class Turns:
    """The turns of one lake, for one driver of a pipeline. A later driver of the pipeline need not wait for a lease: it
    has taken over from the earlier one already."""

    def __init__(self, objects: ObjectStore, pipeline: str, driver: str, lease_s: float = LEASE_S) -> None:
        self._objects = objects
        self._pipeline = pipeline
        # Whoever meets its own content takes it for its own retry: no two drivers may write the same.
        self._driver = driver
        self._lease_s = lease_s

    @contextmanager
    def take(self) -> Iterator[Turn]:
        """Wait for a turn, hold it while the block runs, and release it, also when the block raises."""
        turn = self._wait()
        name = _name(turn.number)
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, args=(name, ended), name="turn", daemon=True)
        beating.start()
        try:
            yield turn
        finally:
            ended.set()
            beating.join()
            self._release(turn)

    def _release(self, turn: Turn) -> None:
        self._objects.write(_name(turn.number), self._content(RELEASED))

    def is_latest(self, turn: Turn) -> bool:
        """Whether nobody has taken the turn over: then its append, if it was made, was not skipped."""
        return self._latest() == turn.number

    def _wait(self) -> Turn:
        seen: tuple[int, bytes | None] | None = None
        seen_at = time.monotonic()
        while True:
            last = self._latest()
            content = self._objects.read(_name(last)) if last else None
            if (last, content) != seen:
                seen, seen_at = (last, content), time.monotonic()
            is_dead = time.monotonic() - seen_at >= self._lease_s
            said = json.loads(content) if content else {"beat": RELEASED, "pipeline": ""}
            is_released = said["beat"] == RELEASED
            if is_released or is_dead or said["pipeline"] == self._pipeline:
                number = last + 1
                if self._objects.create(_name(number), self._content(0)):
                    self._forget(number)
                    return Turn(number, None if is_released else 2 * number)
                continue
            time.sleep(_POLL_S)

    def _beat(self, name: str, ended: threading.Event) -> None:
        count = 0
        while not ended.wait(self._lease_s / 5):
            count += 1
            try:
                self._objects.write(name, self._content(count))
            except StorageError:
                continue  # the next one may get through; if none does, the turn is taken over and fenced

    def _content(self, beat: int) -> bytes:
        return canonical_json({"pipeline": self._pipeline, "driver": self._driver, "beat": beat})

    def _latest(self) -> int:
        return max((_number(item.name) for item in self._objects.list(FOLDER)), default=0)

    def _forget(self, number: int) -> None:
        for item in self._objects.list(FOLDER):
            if _number(item.name) < number - _KEPT:
                self._objects.delete(item.name)


def _name(number: int) -> str:
    return f"{FOLDER}{number:012d}.json"


def _number(name: str) -> int:
    return int(name.removeprefix(FOLDER).removesuffix(".json"))
