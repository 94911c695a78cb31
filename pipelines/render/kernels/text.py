"""Kernels between values and text: Python's `str()`, HTML and JSON escaping.

Invariant: `str_of` equals Python's `str()`, `html` equals markupsafe's `escape`, `wire` equals
`json.dumps` with `ensure_ascii=False`. Each looks at the whole buffer once, and copies only when there
is something to escape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.kernels.vector import MOST_TEXT_BYTES, TooLargeError
from pipelines.render.types import Type

_HTML = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b"'": b"&#39;", b'"': b"&#34;"}
_SHORT = {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r"}
_JSON = {
    b"\\": b"\\\\",
    b'"': b'\\"',
    **{bytes([c]): _SHORT.get(c, b"\\u%04x" % c) for c in range(32)},
}


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


def starts_at_zero(data: Any) -> bool:
    """Whether the first text is the first of its buffer."""
    _, offsets, values = data.buffers()
    return values is None or (data.offset == 0 and int(np.frombuffer(offsets, np.int32, count=1)[0]) == 0)


def html(data: Any) -> Any:
    """The text as markupsafe escapes it."""
    raw = raw_bytes(data)
    return _replaced(data, raw, [c for c in _HTML if c in raw], _HTML)


def wire(data: Any) -> Any:
    """The text as it stands inside a JSON string literal."""
    raw = raw_bytes(data)
    if not raw:
        return data
    found = [c for c in (b"\\", b'"') if c in raw]
    codes = np.frombuffer(raw, np.uint8)
    if int(codes.min()) < 32:
        found += [bytes([c]) for c in np.unique(codes[codes < 32]).tolist()]
    return _replaced(data, raw, found, _JSON)


def _replaced(data: Any, raw: bytes, found: list[bytes], spelled: dict[bytes, bytes]) -> Any:
    """The texts with single bytes spelled otherwise: the whole buffer at once, and then where each text ends.

    None of the bytes is ever a part of another character in UTF-8. What one spelling holds of the others'
    characters (`&`, the backslash) comes first in `found`.
    """
    if not found:
        return data
    kind = np.int64 if pa.types.is_large_string(data.type) else np.int32
    ends = np.frombuffer(data.buffers()[1], kind, count=data.offset + len(data) + 1)[data.offset :]
    ends = ends.astype(np.int64) - ends[0]
    codes = np.frombuffer(raw, np.uint8)
    hits = codes == found[0][0]
    for character in found[1:]:
        hits |= codes == character[0]
    places = np.flatnonzero(hits)
    # How much longer a text is for each hit in it: a hit lies before the first end that is beyond it.
    longer = np.zeros(256)
    for character in found:
        longer[character[0]] = len(spelled[character]) - 1
        raw = raw.replace(character, spelled[character])
    if len(raw) > MOST_TEXT_BYTES:
        raise TooLargeError
    grown = np.bincount(np.searchsorted(ends, places, "right"), longer[codes[places]], len(ends))
    moved = pa.py_buffer((ends + np.cumsum(grown.astype(np.int64))).astype(kind))
    valid = data.is_valid().buffers()[1] if data.null_count else None
    return type(data).from_buffers(len(data), moved, pa.py_buffer(raw), valid, data.null_count)


def joined_items(offsets: Any, items: Any) -> Any:
    """The texts of each list end to end. Without a separator their bytes are in place already."""
    if items.null_count or items.type != pa.string():
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items), "")
    _, ends, values = items.buffers()
    held = np.frombuffer(ends, np.int32, count=items.offset + len(items) + 1)[items.offset :]
    starts = pa.py_buffer(np.ascontiguousarray(held[offsets]))
    return pa.StringArray.from_buffers(len(offsets) - 1, starts, values)


# Whole numbers below this are spelled from a table of all of them: 10,000 texts, 40 KB.
_MOST_COUNTED = 10_000


@lru_cache(maxsize=1)
def _counted() -> Any:
    """The text of 0, 1 and so on."""
    return pa.array([str(n) for n in range(_MOST_COUNTED)], pa.string())


def _int_text(data: Any, _: Any) -> Any:
    if data.null_count == 0 and len(data):
        values = data.to_numpy(zero_copy_only=False)
        if values.min() >= 0 and values.max() < _MOST_COUNTED:
            return pc.take(_counted(), data, boundscheck=False)
    return data.cast(pa.string())


def _bool_text(data: Any, _: Any) -> Any:
    return pc.if_else(data, "True", "False")


# From here on Arrow may print an exponent where Python does not yet.
_MOST_POINT = 1e9


# Amounts below this are spelled from a table of all of them: 100,000 texts, about 1 MB, made on demand.
_MOST_HUNDREDTHS = 100_000


@lru_cache(maxsize=1)
def _amounts() -> Any:
    """Python's text of 0.0, 0.01 and so on below 1,000."""
    return pa.array([repr(h / 100) for h in range(_MOST_HUNDREDTHS)], pa.string())


# The bits of the first double that the table does not have; those of doubles with a sign are larger.
_BITS_BEYOND = np.float64(_MOST_HUNDREDTHS / 100).view(np.uint64)


def _float_text(data: Any, _: Any) -> Any:
    """`repr(float)`: amounts with up to two decimals from a table, others as `_other_floats` does."""
    nulls = data.null_count
    values = (data.fill_null(0.0) if nulls else data).to_numpy(zero_copy_only=False)
    amounts = values.view(np.uint64) < _BITS_BEYOND
    with np.errstate(all="ignore"):
        hundredths = np.rint(values * 100.0).astype(np.int32)
        amounts &= hundredths / 100.0 == values
    if amounts.all():
        text = pc.take(_amounts(), pa.array(hundredths), boundscheck=False)
    else:
        others = _other_floats(pa.array(values[~amounts]), values[~amounts])
        if not amounts.any():
            text = others
        else:
            text = pc.take(_amounts(), pa.array(np.where(amounts, hundredths, 0)), boundscheck=False)
            text = pc.replace_with_mask(text, pa.array(~amounts), others)
    return pc.if_else(data.is_valid(), text, pa.scalar(None, pa.string())) if nulls else text


def _other_floats(data: Any, values: Any) -> Any:
    """Arrow prints the same shortest digits as Python, but drops `.0` and moves to an exponent elsewhere."""
    text = data.cast(pa.string())
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        whole = values == np.floor(values)
        odd = (size >= _MOST_POINT) | ((size < 1e-4) & (values != 0)) | ~np.isfinite(values)
    whole &= ~odd & ((values != 0) | ~np.signbit(values))
    odd |= (values == 0) & ~whole
    if whole.any():
        digits = pa.array(values[whole].astype(np.int64)).cast(pa.string())
        text = pc.replace_with_mask(text, pa.array(whole), pc.binary_join_element_wise(digits, ".0", ""))
    if odd.any():
        spelled = pa.array([repr(v) for v in values[odd].tolist()], pa.string())
        text = pc.replace_with_mask(text, pa.array(odd), spelled)
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


def _as_is(data: Any, _: Any) -> Any:
    return data


def _cast_text(data: Any, _: Any) -> Any:
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


def has_text(shape: Type) -> bool:
    """Whether `str_of` knows the type; lists and structs have Python's repr and are row-wise."""
    return shape.kind in _TEXT


def str_of(data: Any, shape: Type) -> Any:
    """Python's `str()` of each value; a null stays null."""
    return _TEXT[shape.kind](data, shape.arrow)
