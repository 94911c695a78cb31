"""JSON rows as record batches: rows of one shape go together.

Invariant: a value in a batch is the value that the row has: 1 stays an integer beside another row's 1.5, and
a name that a row lacks is not there. Rows that no batch can hold (a list of numbers and texts, an integer
beyond 64 bits) are told by their numbers. Reads and renders nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

# Shapes that are compiled for; rows of yet another shape are left over.
_MOST_SHAPES = 32
_KINDS: tuple[tuple[type, str], ...] = (
    (str, "str"),
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (datetime, "timestamp"),
    (date, "date"),
    (Decimal, "decimal"),
)


class _MixedError(Exception):
    """Values that have no common type."""


class _Any:
    """The shape of null, and of the items of an empty list: that of whatever stands beside it."""


_ANY = _Any()
# A kind, or ("list", the items' shape), or ("struct", the fields' shapes by name, in order).
Shape = Any


def _shape_of(value: Any) -> Shape:
    if value is None:
        return _ANY
    if isinstance(value, Mapping):
        return "struct", {name: _shape_of(held) for name, held in value.items()}
    if isinstance(value, list):
        items: Shape = _ANY
        for item in value:
            items = _merged(items, _shape_of(item))
        return "list", items
    kind = next(kind for held, kind in _KINDS if isinstance(value, held))
    if kind == "int" and not -(2**63) <= value < 2**63:
        raise _MixedError
    return kind


def _merged(one: Shape, other: Shape) -> Shape:
    """The shape of values of both."""
    if other is _ANY or one is other:
        return one
    if one is _ANY:
        return other
    if isinstance(one, str) or isinstance(other, str) or one[0] != other[0]:
        if one == other:
            return one
        raise _MixedError
    if one[0] == "list":
        return "list", _merged(one[1], other[1])
    if list(one[1]) != list(other[1]):
        raise _MixedError
    return "struct", {name: _merged(shape, other[1][name]) for name, shape in one[1].items()}


class _Group:
    """Rows of one shape."""

    def __init__(self, shape: Shape, number: int) -> None:
        self.shape = shape
        self.numbers = [number]

    def takes(self, shape: Shape, number: int) -> bool:
        """Whether the row fits in, which it then does."""
        try:
            self.shape = _merged(self.shape, shape)
        except _MixedError:
            return False
        self.numbers.append(number)
        return True


def by_shape(rows: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[list[int], pa.RecordBatch]], list[int]]:
    """The rows' numbers with a batch of them for each shape, and the numbers of the rows left over."""
    groups: list[_Group] = []
    left: list[int] = []
    for number, row in enumerate(rows):
        try:
            shape = _shape_of(row)
        except _MixedError:
            left.append(number)
            continue
        if any(group.takes(shape, number) for group in groups):
            continue
        if len(groups) < _MOST_SHAPES:
            groups.append(_Group(shape, number))
        else:
            left.append(number)
    out: list[tuple[list[int], pa.RecordBatch]] = []
    for group in groups:
        batch = _batch([rows[number] for number in group.numbers])
        if batch is None:
            left += group.numbers
        else:
            out.append((group.numbers, batch))
    return out, sorted(left)


def _batch(rows: list[Mapping[str, Any]]) -> pa.RecordBatch | None:
    """The rows as one batch, or None when Arrow has no type for a value: a decimal of too many digits."""
    names = list(rows[0])
    if not names:
        return None
    try:
        return pa.RecordBatch.from_arrays(
            [pa.array([row[name] for row in rows]) for name in names], names=names
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
