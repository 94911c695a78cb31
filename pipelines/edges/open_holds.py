"""The messages that wait, remembered by a driver: those of a few customers without a look at all the others.

Invariant: those of an owner of which no row says that they are closed. Of each hold its id, its customer and its
campaign are held, some 120 bytes; the rest is read of the files in which something was found.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.mirror import TableFiles
from pipelines.edges.tables import Tables
from pipelines.holds import HOLDS, Ending

#: What a file says of its rows; the others are in its path.
_COLUMNS = [name for name in HOLDS.column_names if name not in HOLDS.partition_by]
_KEPT = HOLDS.read_schema(["hold_id", "customer_id", "campaign_id"])


class OpenHolds:
    """The open holds, by the files of the table."""

    def __init__(self, tables: Tables) -> None:
        self._files = TableFiles(tables, HOLDS, _KEPT.names, lambda rows: rows.cast(_KEPT))

    def of(self, owner: str, ending: Ending, at_least: int) -> pa.Table:
        """Those of an owner that may be ended, of a version that is `at_least` this one; none at -1. In the columns of
        the table, without those that it is partitioned by."""
        self._files.refresh(at_least=at_least)
        names, held = list(self._files.held), list(self._files.held.values())
        known = pa.concat_tables([_KEPT.empty_table(), *held])
        places = pc.indices_nonzero(_is_asked(known, ending))
        found = known["hold_id"].take(places)
        # The word that a hold is closed names the hold alone.
        is_word = pc.is_null(known["customer_id"])
        closed = known["hold_id"].filter(pc.and_(is_word, pc.is_in(known["hold_id"], value_set=found)))
        ends = np.cumsum([rows.num_rows for rows in held], dtype=np.uint64)
        files = [names[number] for number in np.unique(np.searchsorted(ends, places, side="right"))]
        empty = HOLDS.read_schema(_COLUMNS).empty_table()
        asked = self._files.read(files, _COLUMNS, lambda rows: rows.filter(_is_asked(rows, ending)))
        rows = pa.concat_tables([empty, *asked])
        is_open = pc.invert(pc.is_in(rows["hold_id"], value_set=closed))
        return rows.filter(pc.and_(is_open, pc.equal(rows["owner"], owner)))


def _is_asked(rows: pa.Table, ending: Ending) -> pa.ChunkedArray:
    is_cancelling = pc.and_(
        _is_in(rows["customer_id"], ending.cancelling), _is_in(rows["campaign_id"], ending.campaigns)
    )
    return pc.or_(_is_in(rows["customer_id"], ending.erased), is_cancelling)


def _is_in(column: pa.ChunkedArray, values: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(values, pa.string()))
