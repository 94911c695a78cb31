"""Terms: the drivers of a pipeline, counted. A driver claims the next term when it starts; the highest one is in charge.

Invariant: no two drivers hold one term, because claiming is a conditional write. The term is a fencing token: it goes
into every progress marker, so that a driver that did not notice its successor is stopped by the successor's marker.
"""

from __future__ import annotations

from pipelines.edges.objects import ObjectStore
from pipelines.edges.progress import FencedError


class Term:
    """The term of this driver."""

    def __init__(self, objects: ObjectStore, pipeline: str) -> None:
        self._objects = objects
        self._pipeline = pipeline
        self._folder = f"terms/{pipeline}/"
        number = self._highest() + 1
        while not objects.create(f"{self._folder}{number:012d}", b"{}"):
            number += 1
        self.number = number
        for old in self._objects.list(self._folder):
            if self._parse(old.name) < number:
                self._objects.delete(old.name)

    def check(self) -> None:
        """Raises `FencedError` when a younger driver has claimed a later term."""
        if self._highest() > self.number:
            raise FencedError(self._pipeline)

    def _highest(self) -> int:
        return max((self._parse(item.name) for item in self._objects.list(self._folder)), default=0)

    def _parse(self, name: str) -> int:
        return int(name.removeprefix(self._folder))
