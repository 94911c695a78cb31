"""Which lake this is: an identity that a lake gets once and keeps, also when one of its tables is lost.

Invariant: two lakes never have the same one, because it is the id that Delta drew for the lake's first ledger.
"""

from __future__ import annotations

from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore, canonical_json
from schemas.tables import table

_NAME = "pointers/lake.json"


def lake_identity(objects: ObjectStore, lake: DeltaLake) -> str:
    """The identity; made when the lake has none. The ledger is there."""
    known = objects.read_json(_NAME)
    if known is None:
        objects.create(_NAME, canonical_json({"id": lake.table_id(table("ledger"))}))
        known = objects.read_json(_NAME)
    assert known is not None
    return str(known["id"])
