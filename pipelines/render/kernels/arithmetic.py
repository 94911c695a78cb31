"""Kernels for numbers, with Python's rules: unbounded integers, true division, floor division, modulo.

Invariant: where a 64-bit result would differ from Python's (overflow, inexact division, division by zero)
the row is marked undecided. Integers and floats only; decimals are added and compared, no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels.vector import Mask, Vec, any_failed, any_null, either

_SAFE = 2.0**62
_EXACT = 2**53


def _numbers(frame: FrameLike, value: Vec, kind: str) -> Any:
    data = frame.array(value)
    if kind == "bool":
        data = data.cast(pa.int64())
    if data.null_count:
        data = data.fill_null(1)
    return data.to_numpy(zero_copy_only=False)


def _large(values: Any) -> Mask:
    out: Mask = np.abs(values.astype(np.float64)) > _EXACT
    return out


def arithmetic(frame: FrameLike, expr: Expr) -> Vec:
    """One of + - * / // % on integers and floats."""
    operator = expr.params[0]
    left_value, right_value = frame.args(expr)
    left = _numbers(frame, left_value, expr.args[0].type.kind)
    right = _numbers(frame, right_value, expr.args[1].type.kind)
    bad = either(any_failed(left_value, right_value), any_null(left_value, right_value))
    integers = left.dtype == np.int64 and right.dtype == np.int64
    if not integers:
        for side in (left, right):
            if side.dtype == np.int64:
                bad = either(bad, _large(side))
    with np.errstate(all="ignore"):
        if operator in ("add", "sub", "mul"):
            data, wrong = _ring(operator, left, right, integers)
        else:
            data, wrong = _division(operator, left, right, integers)
    return Vec(pa.array(data), None, either(bad, wrong))


def _ring(operator: str, left: Any, right: Any, integers: bool) -> tuple[Any, Mask | None]:
    plain = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[operator]
    data = plain(left, right)
    if not integers:
        return data, None
    estimate = plain(left.astype(np.float64), right.astype(np.float64))
    return data, either(np.abs(estimate) >= _SAFE)


def _division(operator: str, left: Any, right: Any, integers: bool) -> tuple[Any, Mask | None]:
    zero = right == 0
    if zero.any():
        right = np.where(zero, 1, right)
    if operator == "truediv":
        wrong = either(zero, _large(left) | _large(right)) if integers else either(zero)
        return np.true_divide(left, right), wrong
    if integers:
        wrong = either(zero, (left == np.iinfo(np.int64).min) & (right == -1))
        return (np.floor_divide if operator == "floordiv" else np.mod)(left, right), wrong
    return (np.floor_divide if operator == "floordiv" else np.mod)(left, right), either(
        zero, ~np.isfinite(left) | ~np.isfinite(right)
    )


def negative(frame: FrameLike, expr: Expr) -> Vec:
    """Unary minus."""
    (base,) = frame.args(expr)
    values = _numbers(frame, base, expr.args[0].type.kind)
    wrong = either(values == np.iinfo(np.int64).min) if values.dtype == np.int64 else None
    with np.errstate(all="ignore"):
        return Vec(pa.array(-values), None, either(base.failed, base.nulls(), wrong))


def absolute(frame: FrameLike, expr: Expr) -> Vec:
    """`|abs`."""
    (base,) = frame.args(expr)
    values = _numbers(frame, base, expr.args[0].type.kind)
    wrong = either(values == np.iinfo(np.int64).min) if values.dtype == np.int64 else None
    with np.errstate(all="ignore"):
        return Vec(pa.array(np.abs(values)), None, either(base.failed, base.nulls(), wrong))


def rounded(frame: FrameLike, expr: Expr) -> Vec:
    """`|round`: half to even for whole numbers; for decimals Python's own rounding, value by value."""
    (base,) = frame.args(expr)
    precision, method = expr.params
    values = _numbers(frame, base, expr.args[0].type.kind)
    bad = either(base.failed, base.nulls())
    if expr.type.kind == "int" and precision >= 0:
        return Vec(pa.array(values), None, bad)
    if values.dtype != np.int64:
        odd = ~np.isfinite(values) | (np.abs(values) > _EXACT)
        bad = either(bad, odd)
        values = np.where(odd, 0.0, values)
    if method == "common" and precision == 0:
        return Vec(pa.array(np.rint(values)), None, bad)
    if method == "common":
        return Vec(pa.array([round(v, precision) for v in values.tolist()], expr.type.arrow), None, bad)
    scale = 10**precision if precision >= 0 else 10.0**precision
    bad = either(bad, np.abs(values.astype(np.float64)) * scale > _EXACT)
    spelled = (np.ceil if method == "ceil" else np.floor)(values * scale) / scale
    # Python's ceil and floor give integers, which have no negative zero.
    return Vec(pa.array(spelled.astype(np.float64) + 0.0), None, bad)
