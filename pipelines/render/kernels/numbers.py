"""Numbers spelled out of tables: the digits before and after the point are entries of constant tables.

Invariant: what is spelled equals Python's `str()`. Only whole numbers from 0 and amounts of at most two
decimals, both below a million, are; everything else is `text.str_of`'s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pipelines.render.kernels.pieces import Choice, Piece, Spelled, Table
from pipelines.render.kernels.vector import mask_of

_MOST = 1_000_000
# The bits of the first double that is too large; those of doubles with a sign, infinities and NaN are larger still.
_BITS_BEYOND = int(np.float64(_MOST).view(np.uint64))


@lru_cache(maxsize=1)
def _tables() -> tuple[Table, Table, Table, Table]:
    """0 to 999; the thousands, of which 0 is not written; what follows them, from 1,000 on with zeros; hundredths."""
    small = [str(n) for n in range(1000)]
    return (
        Table(small),
        Table(["", *small[1:]]),
        Table([*small, *(f"{n:03d}" for n in range(1000))]),
        Table([repr(n / 100)[1:] for n in range(100)]),
    )


def spelled(data: Any, kind: str) -> Piece | None:
    """The values' text as pieces, or None when one of them is null or not of those that tables have."""
    if data.null_count or len(data) == 0:
        return None
    if kind == "bool":
        return Choice(mask_of(data), "True", "False")
    if kind not in ("int", "float"):
        return None
    values = data.to_numpy(zero_copy_only=False)
    most = int(values.view(np.uint64).max())
    if kind == "int":
        return Spelled(_digits(values, most)) if most < _MOST else None
    if most >= _BITS_BEYOND:
        return None
    hundredths = np.rint(values * 100.0).astype(np.int32)
    if not (hundredths / 100.0 == values).all():
        return None
    whole = hundredths // 100
    return Spelled((*_digits(whole, int(whole.max())), (_tables()[3], hundredths - whole * 100)))


def _digits(values: Any, most: int) -> list[tuple[Table, Any]]:
    small, thousands, rest, _ = _tables()
    if most < 1000:
        return [(small, values)]
    values = values.astype(np.int32)
    high = values // 1000
    low = values - high * 1000
    low += (high > 0) * np.int32(1000)
    return [(thousands, high), (rest, low)]
