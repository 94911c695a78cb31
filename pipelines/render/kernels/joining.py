"""Pieces of text put end to end, row by row: the one place that makes texts of texts.

Invariant: a row's text is null exactly where one of its chosen pieces is. Small pieces are gathered: they
lie in one pool, an index names them in the order of the result, and one `take` copies them side by side,
so that a row's text is where its first piece begins. Large pieces go through `binary_join_element_wise`,
which knows the size of the result beforehand. Does not escape.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.kernels.pieces import SMALL_TEXT, Choice, Piece, Spelled, leaves, merged, weight, width
from pipelines.render.kernels.vector import MOST_TEXT_BYTES, TooLargeError, arrow_mask, check_size, mask_of

# Measured on pieces of one template: up to about this many bytes a piece, gathering is faster than joining.
_SMALL_BYTES = SMALL_TEXT
# The index of a gathering has 4 bytes for each piece of each row, and the result as many again.
_MOST_GATHERED = 1_000_000
# The function under `pc.take`, which costs 20 us more a call.
_TAKE = pc.get_function("array_take")
_UNCHECKED = pc.TakeOptions(boundscheck=False)


def join(pieces: Sequence[Piece], size: int) -> Any:
    """The pieces of each row end to end: static text, or one array."""
    parts = merged(pieces)
    if not parts:
        return ""
    if len(parts) == 1 and not isinstance(parts[0], (Choice, Spelled)):
        return parts[0]
    heavy = sum(weight(p, size) for p in parts)
    if heavy > MOST_TEXT_BYTES:
        raise TooLargeError
    if _is_small(parts, size, heavy):
        return _gathered(parts, size)
    held = columns(parts, size)
    if len(held) == 1:
        return held[0]
    out = pc.binary_join_element_wise(*held, "")
    check_size(out)
    return out


def columns(parts: Sequence[Piece], size: int) -> list[Any]:
    """The pieces as static texts and arrays: what is chosen by one mask side by side becomes one array."""
    out: list[Any] = []
    for mask, group in groupby(parts, lambda p: id(p.mask) if isinstance(p, Choice) else None):
        held = list(group)
        if mask is None:
            out += [_gathered([p], size) if isinstance(p, Spelled) else p for p in held]
        elif _is_small(held, size, sum(weight(p, size) for p in held)):
            out.append(_gathered(held, size))
        else:
            then, otherwise = (
                join(side, size) for side in zip(*((c.then, c.otherwise) for c in held), strict=True)
            )
            out.append(pc.if_else(arrow_mask(held[0].mask), as_scalar(then), as_scalar(otherwise)))
    return out


def as_scalar(piece: Any) -> Any:
    """Static text as a scalar; an array as it is."""
    return pa.scalar(piece, pa.string()) if isinstance(piece, str) else piece


def as_array(piece: Any, size: int) -> Any:
    """Static text as an array of texts; an array as it is."""
    return pa.repeat(pa.scalar(piece, pa.string()), size) if isinstance(piece, str) else piece


def _is_small(parts: Sequence[Piece], size: int, heavy: int) -> bool:
    count = sum(width(p) for p in parts) * size
    return (
        0 < count <= _MOST_GATHERED
        and heavy <= _SMALL_BYTES * count
        and all(isinstance(leaf, (str, Spelled)) or leaf.type == _STRING for leaf in leaves(parts))
    )


_STRING = pa.string()


@lru_cache(maxsize=1024)
def _texts(texts: tuple[str, ...]) -> Any:
    """Static texts as an array; templates have few."""
    return pa.array(texts, _STRING)


class _Pool:
    """The distinct pieces of a gathering and where each begins: static texts, tables, then arrays."""

    def __init__(self, parts: Sequence[Piece], size: int) -> None:
        texts: dict[str, int] = {"": 0}
        held: dict[int, Any] = {}
        for leaf in leaves(parts):
            if isinstance(leaf, str):
                texts.setdefault(leaf, len(texts))
            elif isinstance(leaf, Spelled):
                held.update((id(table), table.values) for table, _ in leaf.parts)
            else:
                held[id(leaf)] = leaf
        self.texts = texts
        self.bases: dict[int, int] = {}
        end = len(texts)
        for key, values in held.items():
            self.bases[key] = end
            end += len(values)
        self.values = pa.concat_arrays([_texts(tuple(texts)), *held.values()])
        self.rows = np.arange(size, dtype=np.int32)

    def positions(self, piece: Piece) -> list[Any]:
        """The positions of each row's texts, one for all rows where it is static."""
        if isinstance(piece, str):
            return [self.texts[piece]]
        if isinstance(piece, Spelled):
            return [index + self.bases[id(table)] for table, index in piece.parts]
        if not isinstance(piece, Choice):
            return [self.rows + self.bases[id(piece)]]
        then, otherwise = self.positions(piece.then), self.positions(piece.otherwise)
        # Position 0 is the empty text: the shorter side ends in it.
        then += [0] * (len(otherwise) - len(then))
        otherwise += [0] * (len(then) - len(otherwise))
        return [np.where(piece.mask, *pair) for pair in zip(then, otherwise, strict=True)]


def _gathered(parts: Sequence[Piece], size: int) -> Any:
    pool = _Pool(parts, size)
    positions = [at for part in parts for at in pool.positions(part)]
    index = np.empty((size, len(positions)), np.int32)
    for column, at in enumerate(positions):
        index[:, column] = at
    indices = pa.Array.from_buffers(_INT32, index.size, [None, pa.py_buffer(index)])
    held = _TAKE.call([pool.values, indices], _UNCHECKED)
    _, ends, values = held.buffers()
    starts = np.frombuffer(ends, np.int32, count=len(held) + 1)[:: len(positions)]
    valid = None
    if held.null_count:
        valid = pa.array(mask_of(held.is_valid()).reshape(size, len(positions)).all(axis=1)).buffers()[1]
    return pa.StringArray.from_buffers(size, pa.py_buffer(np.ascontiguousarray(starts)), values, valid)


_INT32 = pa.int32()
