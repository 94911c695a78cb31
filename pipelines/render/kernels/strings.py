"""Kernels over text: joining, case, length, slices, and evaluation once for each distinct value.

Invariant: what Arrow does differently from Python (case of non-ASCII text, its idea of white space) is
computed by Python for exactly those values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape as markup_escape

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels import joining, numbers, rows, text
from pipelines.render.kernels.vector import (
    Mask,
    Vec,
    any_failed,
    check_size,
    either,
    mask_of,
    offsets_of,
    without,
)
from pipelines.render.sandbox import refuse_none


def to_text(frame: FrameLike, expr: Expr) -> Vec:
    """`str(value)`; None is "None"."""
    (base,) = frame.args(expr)
    data = base.data
    if expr.args[0].type.kind == "none":
        return Vec(pa.repeat(pa.scalar("None"), frame.size), None, base.failed)
    data = text.str_of(data, expr.args[0].type)
    return Vec(data.fill_null("None") if data.null_count else data, None, base.failed)


def output(frame: FrameLike, expr: Expr) -> Vec:
    """What an output statement emits, as a piece, escaped; null where it fails."""
    escape, wire = expr.params
    plain = _spelled(frame, expr.args[0])
    if plain is not None:
        return Vec(plain)
    source = expr.args[0].type
    value = frame.eval(expr.args[0])
    if source.kind in ("none", "undefined"):
        return Vec(pa.nulls(frame.size, pa.string()))
    if source.kind == "object":
        return Vec(_object_text(value, escape, wire))
    data = text.str_of(without(frame.array(value), value.failed), source)
    if source.kind not in text.PLAIN_KINDS:
        if escape and not source.markup:
            data = text.html(data)
        if wire:
            data = text.wire(data)
    return Vec(data)


def _spelled(frame: FrameLike, source: Expr) -> Any:
    """The digits of numbers out of tables, when none of them fails and tables have them all."""
    if source.name == "to_text":
        source = source.args[0]
    if source.type.kind not in ("int", "float", "bool"):
        return None
    value = frame.eval(source)
    return None if value.failed is not None else numbers.spelled(frame.array(value), source.type.kind)


def _object_text(value: Vec, escape: bool, wire: bool) -> Any:
    finish = (lambda v: markup_escape(refuse_none(v))) if escape else refuse_none
    data = without(rows.as_texts(value.data, finish), value.failed)
    return text.wire(data) if wire else data


def capture(frame: FrameLike, expr: Expr) -> Vec:
    """The text of a block as a value: a macro's result, `{% set %}...{% endset %}`."""
    assert frame.run is not None
    data = frame.run.captured(expr.params[0].block, frame)
    return Vec(data, None, either(mask_of(data.is_null())) if data.null_count else None)


def escape(frame: FrameLike, expr: Expr) -> Vec:
    """`|escape` of text."""
    (base,) = frame.args(expr)
    return Vec(text.html(base.data), base.undefined, base.bad)


def relabel(frame: FrameLike, expr: Expr) -> Vec:
    """The same text as HTML (`|safe`)."""
    (base,) = frame.args(expr)
    return base


def concat(frame: FrameLike, expr: Expr) -> Vec:
    """Texts end to end; none of them is None."""
    values = [frame.eval(a) for a in expr.args]
    pieces = [v.data.as_py() if v.is_scalar else v.data for v in values]
    data = joining.as_array(joining.join(pieces, frame.size), frame.size)
    return Vec(data, None, either(any_failed(*values), *(v.nulls() for v in values)))


def each_distinct(data: Any, function: Callable[[Any], Any], arrow: pa.DataType) -> tuple[Any, Mask | None]:
    """The function of each distinct value, and the rows for which it raised; nulls stay null."""
    codes = data.dictionary_encode()
    results: list[Any] = []
    wrong: list[int] = []
    for position, value in enumerate(codes.dictionary.to_pylist()):
        try:
            result = function(value)
            if isinstance(result, str):
                result.encode()
            elif isinstance(result, int) and not -(2**63) <= result < 2**63:
                raise OverflowError
            results.append(result)
        except Exception:  # the row-wise engine reports it for the row
            results.append(None)
            wrong.append(position)
    made = pa.array(results, arrow).take(codes.indices)
    if not wrong:
        return made, None
    return made, either(np.isin(codes.indices.fill_null(-1).to_numpy(zero_copy_only=False), wrong))


def distinct(frame: FrameLike, expr: Expr) -> Vec:
    """A pure Python function of one value, evaluated once for each distinct value."""
    (base,) = frame.args(expr)
    function: Callable[[Any], Any] = expr.params[0]
    assert expr.type.arrow is not None
    data, wrong = each_distinct(base.data, function, expr.type.arrow)
    return Vec(data, None, either(base.failed, base.nulls(), wrong))


def cased(frame: FrameLike, expr: Expr) -> Vec:
    """`upper`, `lower`, `capitalize`, `trim`: Arrow for ASCII, Python for the rest."""
    (base,) = frame.args(expr)
    name, function = expr.params
    return Vec(_by_ascii(base.data, name, function), None, either(base.failed, base.nulls()))


def _by_ascii(data: Any, name: str, function: Callable[[str], str]) -> Any:
    raw = text.raw_bytes(data)
    ascii_kernel, unicode_kernel = _CASING[name]
    if _ODD_SPACE.isdisjoint(raw) if name.endswith("trim") else True:
        if raw.isascii():
            # pyarrow 26: ascii_lower and ascii_upper misread an array without offset whose first text does not
            # start at byte 0, as a cast of a slice from large_string gives it.
            return ascii_kernel(data) if text.starts_at_zero(data) else unicode_kernel(data)
        if all(_is_plain(c) for c in set(_beyond_ascii(raw))):
            return unicode_kernel(data)
    return pa.array([None if v is None else function(v) for v in data.to_pylist()], pa.string())


def _beyond_ascii(raw: bytes) -> str:
    """The characters that are not ASCII, in order."""
    codes = np.frombuffer(raw, np.uint8)
    return codes[np.flatnonzero(codes > 127)].tobytes().decode()


@lru_cache(maxsize=4096)
def _is_plain(character: str) -> bool:
    """Whether Arrow's case mapping of a character is Python's, and it is no white space."""
    one = pa.array([character])
    return (
        pc.utf8_upper(one)[0].as_py() == character.upper() == character.title()
        and pc.utf8_lower(one)[0].as_py() == character.lower()
        # A capital sigma has two small forms, by its place in the word.
        and character != "Σ"
        and not character.isspace()
    )


# What Python's strip() takes for white space and Arrow's does not.
_ODD_SPACE = frozenset({0x1C, 0x1D, 0x1E, 0x1F})
_CASING: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "upper": (pc.ascii_upper, pc.utf8_upper),
    "lower": (pc.ascii_lower, pc.utf8_lower),
    "capitalize": (pc.ascii_capitalize, pc.utf8_capitalize),
    "trim": (pc.ascii_trim_whitespace, pc.ascii_trim_whitespace),
    "ltrim": (pc.ascii_ltrim_whitespace, pc.ascii_ltrim_whitespace),
    "rtrim": (pc.ascii_rtrim_whitespace, pc.ascii_rtrim_whitespace),
}


def length(frame: FrameLike, expr: Expr) -> Vec:
    """`|length` of text or of a list."""
    (base,) = frame.args(expr)
    if expr.args[0].type.kind == "str":
        data = pc.utf8_length(base.data).cast(pa.int64())
    else:
        data = pa.array(np.diff(offsets_of(base.data)))
    return Vec(data, None, either(base.failed, base.nulls()))


def replace(frame: FrameLike, expr: Expr) -> Vec:
    """`|replace` of a constant, not empty, by a constant."""
    (base,) = frame.args(expr)
    old, new = expr.params
    data = pc.replace_substring(base.data, old, new)
    check_size(data)
    return Vec(data, None, either(base.failed, base.nulls()))


def slice_text(frame: FrameLike, expr: Expr) -> Vec:
    """`text[a:b]` with constants."""
    (base,) = frame.args(expr)
    start, stop = expr.params
    data = pc.utf8_slice_codeunits(base.data, start=start, stop=stop)
    return Vec(data, None, either(base.failed, base.nulls()))
