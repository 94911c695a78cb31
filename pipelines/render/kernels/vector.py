"""A column of values in flight: data, and which rows are undefined or undecided.

Invariant: a null in `data` is Python's None; a row in `undefined` is Jinja2's Undefined; a row in `bad`
is left to the row-wise engine. Masks are None when no row is concerned. Holds no operation of the
language.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


class Composite:
    """Texts that are not put together yet; see `pieces`."""

    __slots__ = ()

    def at(self, index: Any) -> Composite:
        """The texts at `index`, an int64 numpy array."""
        raise NotImplementedError


class Vec:
    """One value for each row of a domain: an Arrow array, an Arrow scalar, a list of objects or a Composite."""

    __slots__ = ("bad", "data", "undefined")

    def __init__(self, data: Any, undefined: Mask | None = None, bad: Mask | None = None) -> None:
        self.data = data
        self.undefined = undefined
        self.bad = bad

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.data, pa.Scalar)

    def take(self, index: Any) -> Vec:
        """The values at `index`, an int64 numpy array."""
        undefined = None if self.undefined is None else self.undefined[index]
        bad = None if self.bad is None else self.bad[index]
        if self.is_scalar:
            return Vec(self.data, undefined, bad)
        if isinstance(self.data, list):
            return Vec([self.data[i] for i in index.tolist()], undefined, bad)
        if isinstance(self.data, Composite):
            return Vec(self.data.at(index), undefined, bad)
        if pa.types.is_list(self.data.type):
            lengths = self.data.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            check_items(int(lengths[index].sum()))
        return Vec(self.data.take(pa.array(index)), undefined, bad)

    @property
    def failed(self) -> Mask | None:
        """Rows whose value cannot be used by an operation: undefined or undecided."""
        return either(self.undefined, self.bad)

    def nulls(self) -> Mask | None:
        """Rows whose value is None (also those that failed), or None when there is no such row."""
        if self.is_scalar or isinstance(self.data, list) or self.data.null_count == 0:
            return None
        return mask_of(self.data.is_null())


def offsets_of(data: Any) -> Any:
    """Where each list begins in `data.flatten()`, and where the last ends; a null list is empty."""
    if data.null_count == 0:
        ends = data.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        return ends - ends[0] if len(ends) and ends[0] else ends
    counts = data.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(data) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


# Text of one expression over one batch beyond this is rendered in smaller batches.
MOST_TEXT_BYTES = 1 << 29


class TooLargeError(Exception):
    """The batch must be rendered in smaller pieces."""


# A batch that unrolls to more loop items than this is rendered in halves: 4 M items of 100 bytes = 400 MB.
MOST_ITEMS = 4_000_000


def check_items(count: int) -> None:
    """Refuses more items than one batch may unroll to."""
    if count > MOST_ITEMS:
        raise TooLargeError


def check_size(texts: Any) -> None:
    """Refuses an array of more text than one batch may make."""
    held = texts.buffers()[2]
    if held is not None and held.size > MOST_TEXT_BYTES:
        raise TooLargeError


def mask_of(data: Any) -> Mask:
    """A boolean array without nulls as numpy."""
    mask: Mask = data.to_numpy(zero_copy_only=False)
    return mask


def arrow_mask(mask: Mask) -> Any:
    """A numpy mask as an Arrow array."""
    return pa.array(mask)


def either(*masks: Mask | None) -> Mask | None:
    """Rows in any of the masks; None when no row is."""
    out: Mask | None = None
    for mask in masks:
        if mask is not None:
            out = mask if out is None else out | mask
    return out if out is None or out.any() else None


def any_failed(*vectors: Vec) -> Mask | None:
    """Rows for which an operation over all these values fails."""
    return either(*(v.failed for v in vectors))


def any_null(*vectors: Vec) -> Mask | None:
    """Rows for which one of the values is None."""
    return either(*(v.nulls() for v in vectors))


def without(data: Any, mask: Mask | None) -> Any:
    """The data with nulls at the rows of the mask."""
    if mask is None:
        return data
    if isinstance(data, pa.Scalar):
        data = pa.repeat(data, len(mask))
    return pc.if_else(arrow_mask(mask), pa.scalar(None, data.type), data)
