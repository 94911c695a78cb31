"""The messages that wait, remembered by a driver: those of a few customers without a look at all the others.

Invariant: the same holds as `pipelines.holds.select_open` finds. Of each hold its id and its customer are held, some
100 bytes; the rest is read of the files in which something was found.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.mirror import TableFiles
from pipelines.edges.tables import Tables
from schemas.tables import table

HOLDS = table("holds")
#: What a file says of its rows; the others are in its path.
_COLUMNS = [name for name in HOLDS.column_names if name not in HOLDS.partition_by]
_KEPT = HOLDS.read_schema(["hold_id", "customer_id"])


class OpenHolds:
    """The open holds, by the files of the table."""

    def __init__(self, tables: Tables) -> None:
        self._files = TableFiles(tables, HOLDS, _KEPT.names, lambda rows: rows.cast(_KEPT))

    def of(self, owner: str, customers: Collection[str], at_least: int) -> pa.Table:
        """Those of an owner that are about these customers, of a version that is `at_least` this one; none at -1. In
        the columns of the table, without those that it is partitioned by."""
        self._files.refresh(at_least=at_least)
        names, held = list(self._files.held), list(self._files.held.values())
        known = pa.concat_tables([_KEPT.empty_table(), *held])
        asked = pa.array(sorted(customers), pa.string())
        places = np.flatnonzero(pc.is_in(known["customer_id"], value_set=asked).to_numpy())
        found = known["hold_id"].take(pa.array(places))
        # The word that a hold is closed names the hold alone.
        closed = known.filter(
            pc.and_(pc.is_null(known["customer_id"]), pc.is_in(known["hold_id"], value_set=found))
        )
        ends = np.cumsum([rows.num_rows for rows in held])
        files = [names[number] for number in np.unique(np.searchsorted(ends, places, side="right"))]
        rows = pa.concat_tables(
            [HOLDS.read_schema(_COLUMNS).empty_table(), *self._files.read(files, _COLUMNS)]
        )
        is_open = pc.invert(pc.is_in(rows["hold_id"], value_set=closed["hold_id"]))
        is_asked = pc.and_(pc.is_in(rows["customer_id"], value_set=asked), pc.equal(rows["owner"], owner))
        return rows.filter(pc.and_(is_asked, is_open))
