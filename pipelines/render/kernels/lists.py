"""Kernels over lists: the items of all rows are one flat array, and a list is a range of it.

Invariant: a failure inside one item's expression makes only that item's row undecided. Does not loop in
Python over rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels import text
from pipelines.render.kernels.vector import Mask, Vec, either, mask_of, offsets_of
from pipelines.render.types import normalised


def rows_of_items(frame: FrameLike, child: FrameLike, failed: Mask | None) -> Mask | None:
    """The outer rows that have an item in the mask."""
    if failed is None:
        return None
    out = np.zeros(frame.size, np.bool_)
    out[child.parents[failed]] = True
    return either(out)


def list_array(offsets: Any, values: Any) -> Any:
    """A list array from int64 offsets."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def map_items(frame: FrameLike, expr: Expr) -> Vec:
    """A list of the same lengths, whose items are an expression of the items."""
    domain, body = expr.params
    child = frame.child(domain)
    value = child.eval(body)
    bad = rows_of_items(frame, child, value.failed)
    return Vec(list_array(child.offsets, child.array(value)), None, either(child.refused, bad))


def filter_items(frame: FrameLike, expr: Expr) -> Vec:
    """The items for which a test over them holds."""
    domain, test = expr.params
    child = frame.child(domain)
    kept, failed = child.bools(test)
    bad = rows_of_items(frame, child, failed)
    counted = np.zeros(child.size + 1, np.int64)
    np.cumsum(mask_of(kept), out=counted[1:])
    offsets = counted[child.offsets]
    return Vec(list_array(offsets, child.items.filter(kept)), None, either(child.refused, bad))


def join(frame: FrameLike, expr: Expr) -> Vec:
    """`list|join("constant")`; an item that is None reads "None"."""
    (base,) = frame.args(expr)
    source = expr.args[0].type.item
    flat = text.str_of(normalised(base.data.flatten()), source)
    if flat.null_count:
        flat = flat.fill_null("None")
    joined = pc.binary_join(list_array(offsets_of(base.data), flat), expr.params[0])
    return Vec(joined, None, either(base.failed, base.nulls()))


def total(frame: FrameLike, expr: Expr) -> Vec:
    """`list|sum` of integers; floats are added in order, as Python adds them."""
    (base,) = frame.args(expr)
    flat = normalised(base.data.flatten())
    counts = np.diff(offsets_of(base.data))
    parents = np.repeat(np.arange(frame.size), counts)
    bad = either(base.failed, base.nulls())
    if flat.null_count:
        holds = np.zeros(frame.size, np.bool_)
        holds[parents[mask_of(flat.is_null())]] = True
        bad = either(bad, holds)
        flat = flat.fill_null(0)
    values = flat.to_numpy(zero_copy_only=False)
    sums = np.zeros(frame.size, values.dtype)
    if values.dtype == np.int64:
        np.add.at(sums, parents, values)
        size = np.zeros(frame.size, np.float64)
        np.add.at(size, parents, np.abs(values.astype(np.float64)))
        return Vec(pa.array(sums), None, either(bad, size >= 2.0**62))
    with np.errstate(all="ignore"):
        np.add.at(sums, parents, values)
    # Python's sum of no items is the integer 0, which reads otherwise than 0.0.
    return Vec(pa.array(sums), None, either(bad, (counts == 0) | (counts > expr.params[0])))


def slice_list(frame: FrameLike, expr: Expr) -> Vec:
    """`list[a:b]` with constants, step 1."""
    (base,) = frame.args(expr)
    start, stop = expr.params
    ends = offsets_of(base.data)
    firsts, counts = ends[:-1], np.diff(ends)
    low = _bound(start, counts, 0)
    high = np.maximum(_bound(stop, counts, None), low)
    lengths = high - low
    offsets = np.zeros(frame.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    at = np.repeat(firsts + low - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
    data = list_array(offsets, base.data.flatten().take(pa.array(at, pa.int64())))
    return Vec(data, None, either(base.failed, base.nulls()))


def _bound(value: int | None, counts: Any, default: int | None) -> Any:
    if value is None:
        return counts if default is None else np.full(len(counts), default)
    return np.clip(counts + value if value < 0 else np.full(len(counts), value), 0, counts)


def reverse(frame: FrameLike, expr: Expr) -> Vec:
    """`list|reverse`."""
    (base,) = frame.args(expr)
    offsets = offsets_of(base.data)
    at = np.repeat(offsets[:-1] + offsets[1:] - 1, np.diff(offsets)) - np.arange(int(offsets[-1]))
    data = list_array(offsets, base.data.flatten().take(pa.array(at, pa.int64())))
    return Vec(data, None, either(base.failed, base.nulls()))


def contains(frame: FrameLike, expr: Expr) -> Vec:
    """`value in list`, for values that are not None."""
    base, wanted = (frame.eval(a) for a in expr.args)
    data = frame.array(base)
    flat = normalised(data.flatten())
    ends = offsets_of(data)
    other = wanted.data
    if not wanted.is_scalar:
        other = other.take(pa.array(np.repeat(np.arange(frame.size), np.diff(ends))))
    hits = pc.equal(flat, other)
    places = np.flatnonzero(mask_of(hits.fill_null(False) if hits.null_count else hits))
    out = np.zeros(frame.size, np.bool_)
    # A hit lies in the last list that begins at or before it.
    out[np.searchsorted(ends, places, "right") - 1] = True
    return Vec(pa.array(out), None, either(base.failed, wanted.failed, base.nulls(), wanted.nulls()))


def count_up(frame: FrameLike, expr: Expr) -> Vec:
    """`range(n)` and `range(a, b)` of integers; longer ranges than the bound are undecided."""
    first, last = frame.args(expr)
    low = frame.array(first).fill_null(0).to_numpy(zero_copy_only=False)
    high = frame.array(last).fill_null(0).to_numpy(zero_copy_only=False)
    counts = np.maximum(high.astype(np.float64) - low.astype(np.float64), 0)
    wrong = counts > expr.params[0]
    lengths = np.where(wrong, 0, counts).astype(np.int64)
    offsets = np.zeros(frame.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if int(offsets[-1]) > 2**31 - 1:
        raise MemoryError("ranges of a batch have more than 2**31 items")
    values = np.arange(int(offsets[-1])) + np.repeat(low - offsets[:-1], lengths)
    bad = either(first.failed, last.failed, first.nulls(), last.nulls(), wrong)
    return Vec(list_array(offsets, pa.array(values, pa.int64())), None, bad)
