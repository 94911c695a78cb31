"""Terms: the drivers of a pipeline, counted. One that starts claims the next term; the highest one is in charge.

Invariant: no two drivers are in charge with one term, because claiming is a conditional write of who claims. The term
is a fencing token: it goes into every progress marker, so that a driver that did not notice its successor is stopped
by the successor's marker.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from pipelines.edges.objects import ObjectStore, canonical_json
from pipelines.edges.progress import FencedError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Term:
    """The term of this driver. `holder` names it apart from all others: a conditional write that meets the same
    content is taken for its own retry."""

    def __init__(self, objects: ObjectStore, pipeline: str, holder: str) -> None:
        self._objects = objects
        self._pipeline = pipeline
        self._folder = f"terms/{pipeline}/"
        self.number = self._claim(canonical_json({"holder": holder}))
        for old in self._objects.list(self._folder):
            if self._parse(old.name) < self.number:
                self._objects.delete(old.name)

    def _claim(self, content: bytes) -> int:
        # A term below the highest may be free only because its holder's successor has deleted it.
        while True:
            number = self._highest() + 1
            if self._objects.create(f"{self._folder}{number:012d}", content) and self._highest() == number:
                return number

    def check(self) -> None:
        """Raises `FencedError` when a younger driver has claimed a later term."""
        if self._highest() > self.number:
            raise FencedError(self._pipeline)

    def _highest(self) -> int:
        return max((self._parse(item.name) for item in self._objects.list(self._folder)), default=0)

    def _parse(self, name: str) -> int:
        return int(name.removeprefix(self._folder))


def driver_name(spark: SparkSession) -> str:
    """What no other driver is called: Spark's name of the application is a time where there is no cluster manager."""
    return f"{spark.sparkContext.applicationId}@{socket.gethostname()}:{os.getpid()}"
