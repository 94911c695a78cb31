"""Kernels between values and text: Python's `str()`, HTML and JSON escaping.

Invariant: `str_of` equals Python's `str()`, `html` equals markupsafe's `escape`, `wire` equals `json.dumps`
with `ensure_ascii=False`. Each looks at the whole buffer once, and copies only when there is something to
escape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.types import Type

_HTML = ((b"&", "&", "&amp;"), (b"<", "<", "&lt;"), (b">", ">", "&gt;"), (b"'", "'", "&#39;"), (b'"', '"', "&#34;"))
_JSON = ((b"\\", "\\", "\\\\"), (b'"', '"', '\\"'))
_SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def raw_bytes(data: Any) -> bytes:
    """The bytes of all strings of the array, end to end (those of null rows may be among them)."""
    _, offsets, values = data.buffers()
    if values is None or len(data) == 0:
        return b""
    width = 8 if pa.types.is_large_string(data.type) else 4
    kind = np.int64 if width == 8 else np.int32
    ends = np.frombuffer(offsets, kind, count=data.offset + len(data) + 1)
    first, last = int(ends[data.offset]), int(ends[-1])
    return bytes(memoryview(values)[first:last])


def html(data: Any) -> Any:
    """The text as markupsafe escapes it."""
    raw = raw_bytes(data)
    for found, old, new in _HTML:
        if found in raw:
            data = pc.replace_substring(data, old, new)
    return data


def wire(data: Any) -> Any:
    """The text as it stands inside a JSON string literal."""
    raw = raw_bytes(data)
    for found, old, new in _JSON:
        if found in raw:
            data = pc.replace_substring(data, old, new)
    if raw and int(np.frombuffer(raw, np.uint8).min()) < 32:
        codes = np.frombuffer(raw, np.uint8)
        for code in np.unique(codes[codes < 32]).tolist():
            data = pc.replace_substring(data, chr(code), _SHORT.get(code, f"\\u{code:04x}"))
    return data


def is_ascii(data: Any) -> bool:
    """Whether every string of the array is ASCII."""
    return raw_bytes(data).isascii()


def _int_text(data: Any, arrow: Any) -> Any:
    return data.cast(pa.string())


def _bool_text(data: Any, arrow: Any) -> Any:
    return pc.if_else(data, "True", "False")


def _float_text(data: Any, arrow: Any) -> Any:
    """`repr(float)`: Arrow prints the same shortest digits, but drops `.0` and moves the exponent elsewhere."""
    values = data.to_numpy(zero_copy_only=False) if data.null_count == 0 else np.nan_to_num(
        data.fill_null(0.5).to_numpy(zero_copy_only=False), nan=np.nan, posinf=np.inf, neginf=-np.inf
    )  # fmt: skip
    size = np.abs(values)
    whole = (values == np.floor(values)) & (size < 1e15)
    text = data.cast(pa.string())
    if whole.any():
        safe = np.where(whole, values, 0.0)
        digits = pc.binary_join_element_wise(pa.array(safe.astype(np.int64)).cast(pa.string()), ".0", "")
        digits = pc.if_else(pa.array((safe == 0) & np.signbit(safe)), "-0.0", digits)
        valid = pa.array(whole) if data.null_count == 0 else pc.and_(pa.array(whole), data.is_valid())
        text = pc.if_else(valid, digits, text)
    odd = ~whole & ~((size >= 1e-4) & (size < 1e15))
    if odd.any():
        spelled = [repr(v) if o else None for v, o in zip(values.tolist(), odd.tolist(), strict=True)]
        text = pc.coalesce(pa.array(spelled, pa.string()), text)
    return text


def _timestamp_text(data: Any, arrow: Any) -> Any:
    """`str(datetime)` for naive and UTC times; other zones are spelled by Python."""
    if arrow.tz not in (None, "UTC", "Etc/UTC", "+00:00", "GMT"):
        return pa.array([None if v is None else str(v) for v in data.to_pylist()], pa.string())
    micros = data.cast(pa.int64())
    seconds = pc.floor_temporal(data, unit="second").cast(pa.timestamp("us")).cast(pa.timestamp("s"))
    text = seconds.cast(pa.string())
    rest = np.mod(micros.fill_null(0).to_numpy(zero_copy_only=False), 1_000_000)
    if rest.any():
        fraction = pa.array([f".{r:06d}" if r else "" for r in rest.tolist()], pa.string())
        text = pc.binary_join_element_wise(text, fraction, "")
    return text if arrow.tz is None else pc.binary_join_element_wise(text, "+00:00", "")


def _as_is(data: Any, arrow: Any) -> Any:
    return data


def _cast_text(data: Any, arrow: Any) -> Any:
    return data.cast(pa.string())


_TEXT: dict[str, Callable[[Any, Any], Any]] = {
    "str": _as_is,
    "int": _int_text,
    "bool": _bool_text,
    "float": _float_text,
    "decimal": _cast_text,
    "date": _cast_text,
    "timestamp": _timestamp_text,
}

# Kinds whose text never holds a character that HTML or JSON escapes.
PLAIN_KINDS = frozenset({"int", "bool", "float", "decimal", "date", "timestamp"})


def has_text(type: Type) -> bool:
    """Whether `str_of` knows the type; lists and structs have Python's repr and are row-wise."""
    return type.kind in _TEXT


def str_of(data: Any, type: Type) -> Any:
    """Python's `str()` of each value; a null stays null."""
    return _TEXT[type.kind](data, type.arrow)
