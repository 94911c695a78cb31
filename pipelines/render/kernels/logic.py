"""Kernels for truth, comparison and membership, with Python's rules.

Invariant: `and`, `or` and a chosen branch are short-circuit: a failure on the side that Python would not
evaluate does not count. Ordering None is a failure, comparing it for equality is not.
"""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels.vector import Mask, Vec, any_failed, any_null, either, mask_of

# Beyond this, int64 and double do not compare exactly.
_EXACT = 2**53


def truth_of(data: Any, kind: str) -> Any:
    """Python's `bool()` of each value; None is false."""
    if kind == "bool":
        out = data
    elif kind == "str":
        out = pc.not_equal(pc.binary_length(data), 0)
    elif kind == "list":
        out = pc.not_equal(data.value_lengths(), 0)
    elif kind in ("int", "float"):
        out = pc.not_equal(data, 0)
    elif kind == "decimal":
        out = pc.not_equal(data, pa.scalar(decimal.Decimal(0), data.type))
    elif kind == "none":
        return pa.repeat(pa.scalar(False), len(data))
    else:
        out = data.is_valid()
    return out.fill_null(False) if out.null_count else out


def truthy(frame: FrameLike, expr: Expr) -> Vec:
    """The truth of a value; of Undefined it is a failure."""
    (base,) = frame.args(expr)
    source = expr.args[0].type
    if source.kind == "object":
        return _truthy_objects(base)
    if source.kind == "undefined":
        return Vec(pa.repeat(pa.scalar(False), frame.size), None, np.ones(frame.size, np.bool_))
    return Vec(truth_of(base.data, source.kind), None, base.failed)


def _truthy_objects(base: Vec) -> Vec:
    bad = base.failed
    out = []
    for row, value in enumerate(base.data):
        try:
            out.append(bool(value) if bad is None or not bad[row] else False)
        except Exception:  # the truth of such an object is the row-wise engine's to report
            out.append(False)
            bad = np.zeros(len(base.data), np.bool_) if bad is None else bad.copy()
            bad[row] = True
    return Vec(pa.array(out, pa.bool_()), None, bad)


def negate(frame: FrameLike, expr: Expr) -> Vec:
    """`not` of a test."""
    value, failed = frame.bools(expr.args[0])
    return Vec(pc.invert(value), None, failed)


def both(frame: FrameLike, expr: Expr) -> Vec:
    """`and` of two tests."""
    left, left_failed = frame.bools(expr.args[0])
    right, right_failed = frame.bools(expr.args[1])
    if right_failed is not None:
        right_failed = right_failed & mask_of(left)
    return Vec(pc.and_(left, right), None, either(left_failed, right_failed))


def one_of(frame: FrameLike, expr: Expr) -> Vec:
    """`or` of two tests."""
    left, left_failed = frame.bools(expr.args[0])
    right, right_failed = frame.bools(expr.args[1])
    if right_failed is not None:
        right_failed = right_failed & ~mask_of(left)
    return Vec(pc.or_(left, right), None, either(left_failed, right_failed))


_ORDER = {"lt": pc.less, "lteq": pc.less_equal, "gt": pc.greater, "gteq": pc.greater_equal}


def compare(frame: FrameLike, expr: Expr) -> Vec:
    """`<`, `<=`, `>`, `>=` of two values of comparable types; with None a failure."""
    left, right = frame.args(expr)
    data = _ORDER[expr.params[0]](*_alike(left.data, right.data))
    failed = either(any_failed(left, right), any_null(left, right), _inexact(left.data, right.data))
    if data.null_count:
        data = data.fill_null(False)
    return Vec(data, None, failed)


def equal(frame: FrameLike, expr: Expr) -> Vec:
    """`==` of two values of comparable types; None equals None only."""
    left, right = frame.args(expr)
    data = pc.equal(*_alike(left.data, right.data))
    if data.null_count:
        nulls = [v.nulls() for v in (left, right)]
        data = data.fill_null(False)
        if nulls[0] is not None and nulls[1] is not None:
            data = pc.or_(data, pa.array(nulls[0] & nulls[1]))
    return Vec(data, None, either(any_failed(left, right), _inexact(left.data, right.data)))


def is_none(frame: FrameLike, expr: Expr) -> Vec:
    """`value is none` (false for Undefined), or `value == none` (a failure for Undefined)."""
    (base,) = frame.args(expr)
    data = base.data.is_null()
    if base.undefined is not None:
        data = pc.and_not(data, pa.array(base.undefined))
    return Vec(data, None, base.failed if expr.params[0] else base.bad)


def is_of_kind(frame: FrameLike, expr: Expr) -> Vec:
    """`string`, `number` and such tests of a value whose type is known: only None is not of it."""
    (base,) = frame.args(expr)
    if not expr.params[0]:
        return Vec(pa.repeat(pa.scalar(False), frame.size), None, base.bad)
    data = base.data.is_valid()
    if base.undefined is not None:
        data = pc.and_not(data, pa.array(base.undefined))
    return Vec(data, None, base.bad)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Booleans as the integers they are in Python, and integers beside doubles as doubles.

    Arrow would do the second itself, but refuses the whole array for one integer that a double cannot hold:
    `_inexact` marks such rows.
    """
    if left.type == right.type:
        return left, right
    left, right = (v.cast(pa.int64()) if pa.types.is_boolean(v.type) else v for v in (left, right))
    if pa.types.is_floating(left.type) and pa.types.is_integer(right.type):
        right = right.cast(pa.float64(), safe=False)
    elif pa.types.is_integer(left.type) and pa.types.is_floating(right.type):
        left = left.cast(pa.float64(), safe=False)
    return left, right


def _inexact(left: Any, right: Any) -> Mask | None:
    """Rows in which Arrow would compare a rounded integer with a double."""
    if left.type == right.type or not (pa.types.is_floating(left.type) or pa.types.is_floating(right.type)):
        return None
    out: Mask | None = None
    for side in (left, right):
        if not pa.types.is_integer(side.type):
            continue
        if isinstance(side, pa.Scalar):
            if side.is_valid and abs(side.as_py()) > _EXACT:
                return np.ones(len(right if side is left else left), np.bool_)
            continue
        values = side.fill_null(0).to_numpy(zero_copy_only=False)
        out = either(out, (values > _EXACT) | (values < -_EXACT))
    return out


def is_in(frame: FrameLike, expr: Expr) -> Vec:
    """`value in [constants]`; the constants are of the value's kind, and may include None."""
    (base,) = frame.args(expr)
    values, has_none = expr.params
    data = pc.is_in(base.data, value_set=pa.array(list(values), expr.args[0].type.arrow), skip_nulls=True)
    if has_none:
        data = pc.or_(data, base.data.is_null())
    return Vec(data, None, base.failed)


def in_text(frame: FrameLike, expr: Expr) -> Vec:
    """`"constant" in text`; in None a failure."""
    (base,) = frame.args(expr)
    pattern = expr.params[0]
    if pattern == "":
        data = pa.repeat(pa.scalar(True), frame.size)
    else:
        data = pc.match_substring(base.data, pattern)
    return Vec(data.fill_null(False) if data.null_count else data, None, either(base.failed, base.nulls()))


def affix(frame: FrameLike, expr: Expr) -> Vec:
    """`text.startswith("constant")` and `endswith`."""
    (base,) = frame.args(expr)
    kernel = pc.starts_with if expr.params[0] == "startswith" else pc.ends_with
    data = kernel(base.data, expr.params[1])
    return Vec(data.fill_null(False) if data.null_count else data, None, either(base.failed, base.nulls()))


def is_whole_multiple(frame: FrameLike, expr: Expr) -> Vec:
    """`odd`, `even`, `divisibleby(n)` of integers."""
    (base,) = frame.args(expr)
    divisor, remainder = expr.params
    values = base.data.fill_null(0).to_numpy(zero_copy_only=False)
    return Vec(pa.array(np.mod(values, divisor) == remainder), None, either(base.failed, base.nulls()))
