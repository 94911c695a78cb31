"""Pieces of text put end to end, row by row: the one place that makes texts of texts.

Invariant: a row's text is null exactly where one of its chosen pieces is. Small pieces are gathered: they
lie in one pool, an index names them in the order of the result, and one `take` copies them side by side,
so that a row's text is where its first piece begins. Large pieces go through `binary_join_element_wise`,
which knows the size of the result beforehand. Does not escape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.kernels.vector import (
    MOST_TEXT_BYTES,
    Mask,
    TooLargeError,
    arrow_mask,
    check_size,
    either,
    mask_of,
)


class Choice:
    """One of two pieces by a mask; other pieces of the same branch share the mask object."""

    __slots__ = ("mask", "otherwise", "then")

    def __init__(self, mask: Mask, then: Piece, otherwise: Piece) -> None:
        self.mask = mask
        self.then = then
        self.otherwise = otherwise


# Static text, an array with one text a row, or a Choice.
Piece = Any

# Measured on pieces of one template: up to about this many bytes a piece, gathering is faster than joining.
_SMALL_BYTES = 64
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
    if len(parts) == 1 and not isinstance(parts[0], Choice):
        return parts[0]
    weight = sum(_weight(p, size) for p in parts)
    if weight > MOST_TEXT_BYTES:
        raise TooLargeError
    if _is_small(parts, size, weight):
        return _gathered(parts, size)
    held = columns(parts, size)
    if len(held) == 1:
        return held[0]
    out = pc.binary_join_element_wise(*held, "")
    check_size(out)
    return out


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces without empty ones; what is static and stands side by side is one piece."""
    out: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and not piece:
            continue
        both = _as_one(out[-1], piece) if out else None
        if both is None:
            out.append(piece)
        else:
            out[-1] = both
    return out


def _as_one(first: Piece, second: Piece) -> Piece | None:
    """Two pieces as one, where nothing is copied for it: a short text goes into both sides of a choice of texts."""
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    if isinstance(first, str) and _is_static(second) and len(first) <= _SMALL_BYTES:
        return Choice(second.mask, first + second.then, first + second.otherwise)
    if isinstance(second, str) and _is_static(first) and len(second) <= _SMALL_BYTES:
        return Choice(first.mask, first.then + second, first.otherwise + second)
    return None


def _is_static(piece: Piece) -> bool:
    return isinstance(piece, Choice) and isinstance(piece.then, str) and isinstance(piece.otherwise, str)


def columns(parts: Sequence[Piece], size: int) -> list[Any]:
    """The pieces as static texts and arrays: what is chosen by one mask side by side becomes one array."""
    out: list[Any] = []
    for mask, group in groupby(parts, lambda p: id(p.mask) if isinstance(p, Choice) else None):
        held = list(group)
        if mask is None:
            out += held
        elif _is_small(held, size, sum(_weight(p, size) for p in held)):
            out.append(_gathered(held, size))
        else:
            then, otherwise = (
                join(side, size) for side in zip(*((c.then, c.otherwise) for c in held), strict=True)
            )
            out.append(pc.if_else(arrow_mask(held[0].mask), as_scalar(then), as_scalar(otherwise)))
    return out


def null_rows(piece: Piece) -> Mask | None:
    """The rows in which a piece is null, or None when there is no such row."""
    if not isinstance(piece, Choice):
        return None if isinstance(piece, str) or piece.null_count == 0 else mask_of(piece.is_null())
    then, otherwise = null_rows(piece.then), null_rows(piece.otherwise)
    if then is None and otherwise is None:
        return None
    left = np.False_ if then is None else then
    right = np.False_ if otherwise is None else otherwise
    return either(np.where(piece.mask, left, right))


def as_scalar(piece: Any) -> Any:
    """Static text as a scalar; an array as it is."""
    return pa.scalar(piece, pa.string()) if isinstance(piece, str) else piece


def as_array(piece: Any, size: int) -> Any:
    """Static text as an array of texts; an array as it is."""
    return pa.repeat(pa.scalar(piece, pa.string()), size) if isinstance(piece, str) else piece


def _weight(piece: Piece, size: int) -> int:
    """The bytes that a piece adds to all rows, or more."""
    if isinstance(piece, str):
        return len(piece) * size
    if isinstance(piece, Choice):
        return _weight(piece.then, size) + _weight(piece.otherwise, size)
    held: int = piece.nbytes
    return held


def _is_small(parts: Sequence[Piece], size: int, weight: int) -> bool:
    count = len(parts) * size
    return (
        0 < count <= _MOST_GATHERED
        and weight <= _SMALL_BYTES * count
        and all(isinstance(leaf, str) or leaf.type == pa.string() for leaf in _leaves(parts))
    )


def _leaves(parts: Sequence[Piece]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, Choice):
            yield from _leaves((part.then, part.otherwise))
        else:
            yield part


class _Pool:
    """The distinct pieces of a gathering and where each begins: static texts, then arrays."""

    def __init__(self, parts: Sequence[Piece], size: int) -> None:
        texts: dict[str, int] = {}
        arrays: dict[int, Any] = {}
        for leaf in _leaves(parts):
            if isinstance(leaf, str):
                texts.setdefault(leaf, len(texts))
            else:
                arrays.setdefault(id(leaf), leaf)
        self.texts = texts
        self.bases = {key: np.int32(len(texts) + at * size) for at, key in enumerate(arrays)}
        self.values = pa.concat_arrays([pa.array(list(texts), pa.string()), *arrays.values()])
        self.rows = np.arange(size, dtype=np.int32)

    def positions(self, piece: Piece) -> Any:
        """The position of each row's value; one for all where the text is static."""
        if isinstance(piece, Choice):
            return np.where(piece.mask, self.positions(piece.then), self.positions(piece.otherwise))
        if isinstance(piece, str):
            return np.int32(self.texts[piece])
        return self.rows + self.bases[id(piece)]


def _gathered(parts: Sequence[Piece], size: int) -> Any:
    pool = _Pool(parts, size)
    index = np.empty((size, len(parts)), np.int32)
    for at, part in enumerate(parts):
        index[:, at] = pool.positions(part)
    held = _TAKE.call([pool.values, pa.array(index.ravel())], _UNCHECKED)
    _, ends, values = held.buffers()
    starts = np.frombuffer(ends, np.int32, count=len(held) + 1)[:: len(parts)]
    valid = None
    if held.null_count:
        valid = pa.array(mask_of(held.is_valid()).reshape(size, len(parts)).all(axis=1)).buffers()[1]
    return pa.StringArray.from_buffers(size, pa.py_buffer(np.ascontiguousarray(starts)), values, valid)
