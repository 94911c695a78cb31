"""That a driver lives: one small object that it writes again and again, and deletes when it ends by itself.

Invariant: nothing depends on it but what people are told; a heartbeat that cannot be written stops nobody. Its age is
S3's own: no driver's clock is trusted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

from pipelines.edges.objects import ObjectStore, StorageError

BEAT_EVERY_S = 5.0
#: Older than this, its driver is gone: several beats, and the retries of one.
DEAD_AFTER = timedelta(seconds=30)
FOLDER = "heartbeats/"


class Heartbeat:
    """`with Heartbeat(objects, pipeline, tick):` while the driver works; `tick` is called with each beat."""

    def __init__(self, objects: ObjectStore, pipeline: str, tick: Callable[[], None] | None = None) -> None:
        self._objects = objects
        self._name = f"{FOLDER}{pipeline}"
        self._tick = tick
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        try:
            self._objects.delete(self._name)
        except StorageError:
            return  # it grows old instead

    def _beat(self) -> None:
        while True:
            try:
                self._objects.write(self._name, b"{}")
                if self._tick is not None:
                    self._tick()
            except Exception:
                pass  # the driver's own calls tell of what is wrong
            if self._ending.wait(BEAT_EVERY_S):
                return


def living(objects: ObjectStore, now: datetime) -> set[str]:
    """The pipelines whose driver has been heard of lately."""
    beats = objects.list(FOLDER)
    return {item.name.removeprefix(FOLDER) for item in beats if now - item.modified < DEAD_AFTER}
