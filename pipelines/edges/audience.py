"""The pointer to the audience snapshot in force: one object, replaced by one PUT when a build is promoted.

Invariant: the pointer names only versions that passed every expectation. Nobody reads "the newest" version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pipelines.edges.objects import ObjectStore

POINTER = "pointers/audience.json"


@dataclass(frozen=True)
class Snapshot:
    """A promoted snapshot: its Delta version, the time of the extract behind it (RFC 3339), and its rows."""

    version: int
    as_of: str
    rows: int
    source: str


class NoAudienceError(Exception):
    """No snapshot has been promoted in this lake."""

    def __str__(self) -> str:
        return (
            f"no audience snapshot is promoted (looked for {POINTER}). "
            "Build one with `./spark-submit.sh build_audience -- --extract URI`."
        )


class AudiencePointer:
    """The pointer in one lake."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def find(self) -> Snapshot | None:
        found = self._objects.read_json(POINTER)
        return None if found is None else Snapshot(**found)

    def read(self) -> Snapshot:
        """Raises `NoAudienceError` when there is none."""
        found = self.find()
        if found is None:
            raise NoAudienceError()
        return found

    def promote(self, snapshot: Snapshot) -> None:
        self._objects.write_json(POINTER, asdict(snapshot))
