"""Histories of Arrow rows: the last word about each key, and where the word about a row is.

Invariant: a null in a key is a value when words are grouped, and equals nothing when they are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.identity import SEPARATOR


def latest(rows: pa.Table, keys: Sequence[str], order: Sequence[str]) -> pa.Table:
    """The last row of each key in this order, a null being less than all else. Grain: one row per key."""
    if not rows.num_rows:
        return rows
    by = [(name, "ascending", "at_start") for name in (*keys, *order)]
    ordered = rows.take(pc.sort_indices(rows, by)).combine_chunks()
    codes = [_codes(ordered[name]) for name in keys]
    is_last = np.ones(ordered.num_rows, bool)
    is_last[:-1] = reduce(np.logical_or, [code[1:] != code[:-1] for code in codes])
    return ordered.filter(pa.array(is_last))


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy())


def places(asked: Sequence[pa.Array], among: Sequence[pa.Array]) -> pa.Array:
    """For each row of the columns `asked` the place of the row in the columns `among` that equals it; null for none."""
    return pc.index_in(_joined(asked), value_set=_joined(among), skip_nulls=True)


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    texts = [column.cast(pa.string()) for column in columns]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR)
