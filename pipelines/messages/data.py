"""The `data` of triggers and events, JSON text to the campaign's declared Arrow types, a batch at a time.

A row that does not fit fails alone and its values are null; the others come out as if it were not there.
Undeclared fields are ignored, missing ones are null. Details name fields and types, never values: they may be
a customer's.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json


@dataclass(frozen=True)
class ParsedData:
    """One struct per row, and why each failed row failed, by row."""

    values: pa.StructArray
    failures: dict[int, str]


def parse_data(texts: pa.Array, declared: pa.StructType) -> ParsedData:
    """Parses each text as one JSON object; null counts as the empty object."""
    if len(declared) == 0:
        return ParsedData(pa.array([{}] * len(texts), declared), {})
    lines = _lines(texts)
    parser = _Parser(declared)
    values = parser.parse(lines)
    if values is not None:
        return ParsedData(values, {})
    good: list[int] = []
    pieces: list[pa.StructArray] = []
    _bisect(parser, lines, 0, good, pieces)
    parsed = pa.concat_arrays(pieces) if pieces else pa.array([], declared)
    place = {row: index for index, row in enumerate(good)}
    values = parsed.take(pa.array([place.get(row) for row in range(len(lines))], pa.int64()))
    failures = {row: _explain(texts[row].as_py(), declared) for row in range(len(lines)) if row not in place}
    return ParsedData(values, failures)


def _lines(texts: pa.Array) -> list[bytes]:
    # A raw line feed is no part of a JSON string, so a space says the same, and one row stays one line. Each
    # line begins and ends its own object: a line that held two, or none, changes the count and is found out.
    flat = texts.cast(pa.large_string())
    for control in ("\n", "\r"):
        flat = pc.replace_substring(flat, control, " ")
    wrapped = pc.binary_join_element_wise(
        *(
            pa.scalar(part, pa.large_string()) if isinstance(part, str) else part
            for part in ('{"d":', flat, "}\n", "")
        )
    )
    empty = pa.scalar('{"d":{}}\n', pa.large_string())
    return [text.encode() for text in pc.fill_null(wrapped, empty).to_pylist()]


class _Parser:
    def __init__(self, declared: pa.StructType) -> None:
        self.declared = declared
        schema = pa.schema([("d", _read_type(declared))])
        self.options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")

    def parse(self, lines: list[bytes]) -> pa.StructArray | None:
        """The values of the lines, or None when one of them does not fit."""
        text = b"".join(lines)
        read = pa_json.ReadOptions(use_threads=False, block_size=len(text) + 1)
        try:
            table = pa_json.read_json(io.BytesIO(text), read_options=read, parse_options=self.options)
            if table.num_rows != len(lines):
                return None
            column = table.column(0).combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks)
            # flatten() hands a null object's null on to its fields: `data: null` reads as an empty object.
            whole = pa.StructArray.from_arrays(column.flatten(), fields=list(column.type))
            return whole.cast(self.declared)
        except pa.ArrowException:
            return None


def _read_type(data_type: pa.DataType) -> pa.DataType:
    """What Arrow's reader parses; dates are strings there and cast afterwards."""
    if pa.types.is_date(data_type):
        return pa.string()
    if pa.types.is_struct(data_type):
        return pa.struct([field.with_type(_read_type(field.type)) for field in data_type])
    if pa.types.is_list(data_type):
        return pa.list_(data_type.value_field.with_type(_read_type(data_type.value_type)))
    return data_type


def _bisect(
    parser: _Parser, lines: list[bytes], first: int, good: list[int], pieces: list[pa.StructArray]
) -> None:
    """Halves the lines until each half fits or is one bad line: k bad rows of n cost about k log n reads."""
    values = parser.parse(lines)
    if values is not None:
        good.extend(range(first, first + len(lines)))
        pieces.append(values)
    elif len(lines) > 1:
        middle = len(lines) // 2
        _bisect(parser, lines[:middle], first, good, pieces)
        _bisect(parser, lines[middle:], first + middle, good, pieces)


def _explain(text: str | None, declared: pa.StructType) -> str:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return "data is not JSON"
    if not isinstance(value, dict):
        return f"data is {_kind(value)}, not an object"
    for field in declared:
        found = value.get(field.name)
        if (
            found is not None
            and _Parser(pa.struct([field])).parse(_lines(pa.array([_dump({field.name: found})]))) is None
        ):
            return f"data.{field.name}: {_kind(found)} does not fit the declared {field.type}"
    return "data does not fit the declared types"


def _dump(value: Any) -> str:
    return json.dumps(value)


def _kind(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")
