"""Kernels that reach values: columns, fields, items of lists, choice between two values.

Invariant: reading a field of None gives Undefined, reading anything of Undefined fails, as in Jinja2 with
StrictUndefined. Does no arithmetic and makes no text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels.vector import Mask, Vec, arrow_mask, either, mask_of, offsets_of
from pipelines.render.types import normalised


def column(frame: FrameLike, expr: Expr) -> Vec:
    """A top-level variable: a column of the batch."""
    assert frame.batch is not None
    return Vec(normalised(frame.batch.column(expr.params[0])))


def item(frame: FrameLike, _: Expr) -> Vec:
    """The loop variable: each item of the domain's lists."""
    return Vec(normalised(frame.items))


def undefined(frame: FrameLike, _: Expr) -> Vec:
    """A name that nothing defines."""
    return Vec(pa.nulls(frame.size), np.ones(frame.size, np.bool_))


def field(frame: FrameLike, expr: Expr) -> Vec:
    """A field of a struct; of None it is undefined."""
    base = frame.eval(expr.args[0])
    data = base.data
    if data.null_count:
        missing = base.nulls()
        if base.bad is not None or base.undefined is not None:
            assert missing is not None
            missing = either(missing & ~_or_none(base.failed, frame.size))
        return Vec(normalised(pc.struct_field(data, expr.params[0])), missing, base.failed)
    return Vec(normalised(data.field(expr.params[0])), None, base.failed)


def _or_none(mask: Mask | None, size: int) -> Mask:
    return np.zeros(size, np.bool_) if mask is None else mask


def _starts(data: Any) -> tuple[Any, Any]:
    """The first position in `data.flatten()` and the length of each list; a null list is empty."""
    ends = offsets_of(data)
    return ends[:-1], np.diff(ends)


def index(frame: FrameLike, expr: Expr) -> Vec:
    """An item of a list by a constant or computed position; outside the list it is undefined."""
    base, wanted = frame.args(expr)
    data = frame.array(base)
    starts, counts = _starts(data)
    position = (
        wanted.data.as_py() if wanted.is_scalar else wanted.data.fill_null(0).to_numpy(zero_copy_only=False)
    )
    position = (
        np.where(position < 0, counts + position, position)
        if not wanted.is_scalar
        else (counts + position if position < 0 else np.full(len(counts), position))
    )
    inside = (position >= 0) & (position < counts)
    missing: Mask = ~inside
    nulls = wanted.nulls()
    if nulls is not None:
        missing = missing | nulls
    at = pa.array(np.where(inside, starts + position, 0), pa.int64(), mask=missing)
    failed = either(base.failed, wanted.failed)
    return Vec(normalised(data.flatten().take(at)), either(missing), failed)


def edge(frame: FrameLike, expr: Expr) -> Vec:
    """`list|first` and `list|last`: of an empty list undefined, of None a failure."""
    (base,) = frame.args(expr)
    starts, counts = _starts(base.data)
    at = starts if expr.params[0] == "first" else starts + counts - 1
    empty: Mask = counts == 0
    taken = base.data.flatten().take(pa.array(at, pa.int64(), mask=empty))
    return Vec(normalised(taken), either(empty), either(base.failed, base.nulls()))


def select(frame: FrameLike, expr: Expr) -> Vec:
    """One of two values by a test: the failures of the value not chosen do not count."""
    test, then, otherwise = (frame.eval(a) for a in expr.args)
    chosen, failed = frame.bools(expr.args[0])
    del test
    mask = mask_of(chosen)
    undefined = _chosen(mask, then.undefined, otherwise.undefined)
    bad = either(failed, _chosen(mask, then.bad, otherwise.bad))
    if expr.type.arrow is None:
        left, right = frame.objects(expr.args[0 + 1]), frame.objects(expr.args[2])
        return Vec(
            [a if m else b for m, a, b in zip(mask.tolist(), left, right, strict=True)], undefined, bad
        )
    sides = [_typed(v.data, expr.type.arrow) for v in (then, otherwise)]
    return Vec(pc.if_else(chosen, *sides), undefined, bad)


def _typed(data: Any, arrow: pa.DataType) -> Any:
    """Untyped nulls with the type of the other side; objects on one side only are all undefined."""
    if isinstance(data, list):
        return pa.scalar(None, arrow)
    if data.type == arrow:
        return data
    if pa.types.is_null(data.type):
        return pa.scalar(None, arrow)
    return data.cast(arrow)


def _chosen(mask: Mask, then: Mask | None, otherwise: Mask | None) -> Mask | None:
    if then is None and otherwise is None:
        return None
    left = np.False_ if then is None else then
    right = np.False_ if otherwise is None else otherwise
    return either(np.where(mask, left, right))


def is_undefined(frame: FrameLike, expr: Expr) -> Vec:
    """The test `undefined`: true where the value is Undefined."""
    base = frame.eval(expr.args[0])
    if base.undefined is None:
        return Vec(pa.repeat(pa.scalar(False), frame.size), None, base.bad)
    return Vec(arrow_mask(base.undefined), None, base.bad)


def loop_field(frame: FrameLike, expr: Expr) -> Vec:
    """`loop.index` and its kin, from the positions of the items in their lists."""
    name = expr.params[0]
    counts = np.diff(frame.offsets)
    if name == "first":
        first = np.zeros(frame.size, np.bool_)
        first[frame.offsets[:-1][counts > 0]] = True
        return Vec(pa.array(first))
    position = np.arange(frame.size, dtype=np.int64)
    position -= np.repeat(frame.offsets[:-1], counts)
    if name in ("index", "index0"):
        return Vec(pa.array(position + (name == "index")))
    lengths = np.repeat(counts, counts)
    if name == "length":
        return Vec(pa.array(lengths))
    if name == "last":
        return Vec(pa.array(position == lengths - 1))
    return Vec(pa.array(lengths - position - (name == "revindex0")))


def loop_object(frame: FrameLike, _: Expr) -> Vec:
    """`loop` for a row-wise piece inside a vectorised loop: its plain fields."""
    out = []
    for length in np.diff(frame.offsets).tolist():
        for at in range(length):
            out.append(
                {
                    "index": at + 1,
                    "index0": at,
                    "first": at == 0,
                    "last": at == length - 1,
                    "length": length,
                    "revindex": length - at,
                    "revindex0": length - at - 1,
                    "depth": 1,
                    "depth0": 0,
                }
            )
    return Vec(out)


def neighbour(frame: FrameLike, expr: Expr) -> Vec:
    """`loop.previtem` and `loop.nextitem`: undefined at the ends."""
    step = -1 if expr.params[0] == "previtem" else 1
    at = np.arange(frame.size, dtype=np.int64) + step
    position = at - frame.offsets[:-1][frame.parents]
    lengths = (frame.offsets[1:] - frame.offsets[:-1])[frame.parents]
    outside = (position < 0) | (position >= lengths)
    taken = frame.items.take(pa.array(np.where(outside, 0, at), mask=outside))
    return Vec(normalised(taken), either(outside), None)


def missing(frame: FrameLike, expr: Expr) -> Vec:
    """An attribute that the value cannot have: Undefined, and a failure where the value itself is."""
    base = frame.eval(expr.args[0])
    return Vec(pa.nulls(frame.size), np.ones(frame.size, np.bool_), base.failed)


def lookup(frame: FrameLike, expr: Expr) -> Vec:
    """An item of a constant dict by a text key; an unknown key is undefined."""
    (key,) = frame.args(expr)
    names, values = expr.params
    at = pc.index_in(key.data, value_set=pa.array(names, pa.string()), skip_nulls=True)
    outside = mask_of(at.is_null()) if at.null_count else None
    return Vec(pa.array(values, expr.type.arrow).take(at), outside, key.failed)


def guard(frame: FrameLike, expr: Expr) -> Vec:
    """The first value, failing also where the second does."""
    value, other = (frame.eval(a) for a in expr.args)
    if isinstance(value.data, list):
        return Vec(value.data, value.undefined, either(value.bad, other.bad))
    return Vec(frame.array(value), value.undefined, either(value.bad, other.bad))
