"""What a row's text is put together from, before it is.

Invariant: a piece is static text, an array with one text a row, a `Choice` of two pieces by a mask, or
`Spelled`: texts that rows pick out of constant tables. Merging pieces copies nothing that grows with the
rows. Does not put texts together: `joining` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.kernels.vector import Composite, Mask, either, mask_of

# Static text, an array with one text a row, a Choice or a Spelled.
Piece = Any

# Static text up to this many characters becomes part of what stands beside it.
SMALL_TEXT = 64
# A table may grow by this many characters for that: copying it with each batch costs about 5 us.
_MOST_AROUND = 1 << 16
# Tables with static text around them that are remembered for one table: at most 10 MB.
_MOST_REMEMBERED = 128


class Table:
    """Constant texts, and the same with static text around each; `longest` bounds their characters."""

    __slots__ = ("_after", "_before", "_made", "_plain", "longest", "values")

    def __init__(self, texts: Sequence[str]) -> None:
        self.values = self._plain = pa.array(texts, pa.string())
        self.longest = max(map(len, texts))
        self._before = self._after = ""
        self._made: dict[tuple[str, str], Table] = {}

    def around(self, before: str, after: str) -> Table | None:
        """The table with text before and after each entry; None when it would grow too much."""
        key = before + self._before, self._after + after
        added = len(key[0]) + len(key[1])
        if added * len(self.values) > _MOST_AROUND:
            return None
        made = self._made.get(key)
        if made is None:
            made = object.__new__(Table)
            made.values = pc.binary_join_element_wise(key[0], self._plain, key[1], "")
            made.longest = self.longest - len(self._before) - len(self._after) + added
            made._plain, (made._before, made._after), made._made = self._plain, key, self._made
            if len(self._made) >= _MOST_REMEMBERED:
                self._made.clear()
            self._made[key] = made
        return made


class Spelled(Composite):
    """For each row one entry of each table, end to end; `parts` are pairs of table and index."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[tuple[Table, Any]]) -> None:
        self.parts = tuple(parts)

    def at(self, index: Any) -> Spelled:
        return Spelled([(table, held[index]) for table, held in self.parts])

    def around(self, before: str, after: str) -> Spelled | None:
        """The same with static text on one side."""
        at = 0 if before else -1
        table, index = self.parts[at]
        grown = table.around(before, after)
        if grown is None:
            return None
        if before:
            return Spelled(((grown, index), *self.parts[1:]))
        return Spelled((*self.parts[:-1], (grown, index)))


class Choice(Composite):
    """One of two pieces by a mask; other pieces of the same branch share the mask object."""

    __slots__ = ("mask", "otherwise", "then")

    def __init__(self, mask: Mask, then: Piece, otherwise: Piece) -> None:
        self.mask = mask
        self.then = then
        self.otherwise = otherwise

    def at(self, index: Any) -> Choice:
        return Choice(self.mask[index], *(_at(side, index) for side in (self.then, self.otherwise)))


def _at(piece: Piece, index: Any) -> Piece:
    if isinstance(piece, Composite):
        return piece.at(index)
    return piece if isinstance(piece, str) else piece.take(pa.array(index))


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces without empty ones; short static text becomes part of what stands beside it."""
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
    """Two pieces as one, where nothing is copied for it."""
    if isinstance(first, str):
        return first + second if isinstance(second, str) else _with_text(second, first, "")
    return _with_text(first, "", second) if isinstance(second, str) else None


def _with_text(piece: Piece, before: str, after: str) -> Piece | None:
    """A piece with short static text on one side, or None."""
    if isinstance(piece, str):
        return before + piece + after
    if len(before) + len(after) > SMALL_TEXT:
        return None
    if isinstance(piece, Spelled):
        return piece.around(before, after)
    if isinstance(piece, Choice):
        then = _with_text(piece.then, before, after)
        otherwise = None if then is None else _with_text(piece.otherwise, before, after)
        return None if otherwise is None else Choice(piece.mask, then, otherwise)
    return None


def leaves(parts: Sequence[Piece]) -> Iterator[Any]:
    """The texts, arrays and `Spelled` that the pieces choose from."""
    for part in parts:
        if isinstance(part, Choice):
            yield from leaves((part.then, part.otherwise))
        else:
            yield part


def width(piece: Piece) -> int:
    """How many texts a row of the piece is made of."""
    if isinstance(piece, Choice):
        return max(width(piece.then), width(piece.otherwise))
    return len(piece.parts) if isinstance(piece, Spelled) else 1


def weight(piece: Piece, size: int) -> int:
    """The bytes that a piece adds to all rows, or more."""
    if isinstance(piece, str):
        return len(piece) * size
    if isinstance(piece, Choice):
        return weight(piece.then, size) + weight(piece.otherwise, size)
    if isinstance(piece, Spelled):
        return sum(table.longest for table, _ in piece.parts) * size
    held: int = piece.nbytes
    return held


def null_rows(piece: Piece) -> Mask | None:
    """The rows in which a piece is null, or None when there is no such row."""
    if isinstance(piece, (str, Spelled)):
        return None
    if not isinstance(piece, Choice):
        return None if piece.null_count == 0 else mask_of(piece.is_null())
    then, otherwise = null_rows(piece.then), null_rows(piece.otherwise)
    if then is None and otherwise is None:
        return None
    left = np.False_ if then is None else then
    right = np.False_ if otherwise is None else otherwise
    return either(np.where(piece.mask, left, right))
