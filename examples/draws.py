"""Random draws that depend on (seed, purpose, row) only, a whole column at a time.

Invariant: row 4,711 draws the same values whether it is made alone or in a block of five million, so
generators can write block by block. It is no source of secrets.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = 1 << 64


def _mix(values: Rows) -> Rows:
    """The finaliser of splitmix64: a bijection of 64-bit words that looks random."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Draws:
    """Draws for the rows `rows` (any order, any gaps) under one seed; `purpose` names what is drawn."""

    def __init__(self, seed: int, rows: Rows) -> None:
        self.rows = rows
        self.seed = seed

    def bits(self, purpose: str) -> Rows:
        """64 random bits for each row."""
        base = (zlib.crc32(purpose.encode()) * _GOLDEN + self.seed * 0xD1B54A32D192ED03) % _WORD
        return _mix(_mix(self.rows + np.uint64(base)) + np.uint64(_GOLDEN))

    def below(self, purpose: str, limit: int) -> npt.NDArray[np.int64]:
        """A whole number from 0 to limit - 1 for each row (biased by under limit / 2**64)."""
        return (self.bits(purpose) % np.uint64(limit)).astype(np.int64)

    def chance(self, purpose: str, probability: float) -> Mask:
        """True for about `probability` of the rows."""
        return self.bits(purpose) < np.uint64(int(probability * (_WORD - 1)))

    def weighted(self, purpose: str, weights: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """An index into `weights` for each row, as often as its weight says."""
        edges = np.cumsum(weights)
        return np.searchsorted(edges, self.below(purpose, int(edges[-1])), side="right").astype(np.int64)
