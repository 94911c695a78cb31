"""Which lake this is: an identity that a lake gets once and keeps, also when one of its tables is lost.

Invariant: two lakes never have the same one, because it is the id that Delta drew for the lake's first ledger.
"""

from __future__ import annotations

from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore, canonical_json
from schemas.tables import table

_NAME = "pointers/lake.json"


def first_ledger(objects: ObjectStore) -> str | None:
    """The id of the lake's first ledger; None of a lake that has none yet."""
    known = objects.read_json(_NAME)
    return None if known is None else str(known["id"])


def lake_identity(objects: ObjectStore, lake: DeltaLake) -> str:
    """The identity; made when the lake has none. The ledger is there."""
    if (known := first_ledger(objects)) is None:
        objects.create(_NAME, canonical_json({"id": lake.table_id(table("ledger"))}))
        known = first_ledger(objects)
    assert known is not None
    return known
