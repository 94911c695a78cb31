"""Making a table of the lake: its first commit, which has no rows, is put where no log is yet.

Invariant: of several drivers that begin with one empty lake exactly one makes a table, and nothing that somebody else
has in its folder becomes a part of it. delta-rs writes the commit into a folder of its own, since at the place itself
the second of two would follow the first with another id for the table; S3 decides (ADR 2).
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from conf import Lake
from pipelines.edges.objects import ObjectStore
from pipelines.errors import InputError
from schemas.tables import Table

_LOG = "_delta_log/"
_FIRST = f"{_LOG}{0:020d}.json"


def make_table(lake: Lake, table: Table) -> None:
    """Make a table that was not found; nothing is done where another driver has made it meanwhile.

    Raises `InputError` when there is something in its folder that is no table's, and `StorageError`."""
    objects, folder = ObjectStore(lake), f"{table.name}/"
    found = [one.name.removeprefix(folder) for one in objects.list(folder)]
    others = [name for name in found if not name.startswith(_LOG)]
    if others and not any(name.startswith(_LOG) and name.endswith(".json") for name in found):
        raise InputError(
            f"the table '{table.name}' cannot be made in {lake.uri(table.name)}: '{others[0]}' is there, which belongs "
            "to no table. Move what is there to another place, or name another lake.root."
        )
    objects.create(folder + _FIRST, _first_commit(table))


def _first_commit(table: Table) -> bytes:
    """Protocol and metadata, as delta-rs writes them for a new table. Not its `commitInfo`, which the Delta protocol
    leaves to the writer: it tells of the folder here."""
    # Imported here: 52 MB that no command should load which makes no table.
    from deltalake import DeltaTable

    with TemporaryDirectory() as folder:
        DeltaTable.create(folder, table.arrow_schema(), partition_by=list(table.partition_by))
        actions = (Path(folder) / _FIRST).read_bytes().splitlines(keepends=True)
    return b"".join(action for action in actions if "commitInfo" not in json.loads(action))
