"""The types a campaign may declare for its data: Spark DDL text in, Arrow types and canonical DDL out, without Spark.

Every accepted text means the same in Spark and in Arrow, and `to_ddl(parse_type(text))` is accepted by Spark.
Maps and binary are refused: JSON objects are structs here, so that templates can be checked against names.
"""

from __future__ import annotations

import re

import pyarrow as pa

_SIMPLE: dict[str, tuple[pa.DataType, str]] = {
    "string": (pa.string(), "STRING"),
    "boolean": (pa.bool_(), "BOOLEAN"),
    "long": (pa.int64(), "BIGINT"),
    "bigint": (pa.int64(), "BIGINT"),
    "int": (pa.int32(), "INT"),
    "integer": (pa.int32(), "INT"),
    "double": (pa.float64(), "DOUBLE"),
    "date": (pa.date32(), "DATE"),
    "timestamp": (pa.timestamp("us", "UTC"), "TIMESTAMP"),
}
TYPE_NAMES: tuple[str, ...] = (*_SIMPLE, "decimal(p,s)", "array<…>", "struct<name: type, …>")
_KEYWORDS = (*_SIMPLE, "decimal", "array", "struct")
_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|`[^`]+`|\d+|[<>(),:])")
_MAX_DEPTH = 16


class TypeTextError(ValueError):
    """A type text that is not understood; `word` is the offending piece, `known` what was possible there."""

    def __init__(self, message: str, word: str = "") -> None:
        self.message, self.word = message, word
        super().__init__(message, word)

    def __str__(self) -> str:
        return self.message

    @property
    def known(self) -> tuple[str, ...]:
        return _KEYWORDS


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise TypeTextError(f"unexpected character '{text[position:].lstrip()[:1]}'")
            self.tokens.append(match.group(1))
            position = match.end()

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise TypeTextError(f"expected '{expected or 'a type'}', found '{token or 'the end'}'", token)
        return self.tokens.pop(0)

    def type(self, depth: int = 0) -> pa.DataType:
        if depth > _MAX_DEPTH:
            raise TypeTextError(f"nested deeper than {_MAX_DEPTH}")
        word = self.take()
        name = word.lower()
        if name in _SIMPLE:
            return _SIMPLE[name][0]
        if name == "decimal":
            return self.decimal()
        if name == "array":
            self.take("<")
            item = self.type(depth + 1)
            self.take(">")
            return pa.list_(item)
        if name == "struct":
            return self.struct(depth)
        raise TypeTextError(f"unknown type '{word}'", word)

    def decimal(self) -> pa.DataType:
        if self.peek() != "(":
            return pa.decimal128(10, 0)
        self.take("(")
        precision = self.number()
        scale = 0
        if self.peek() == ",":
            self.take(",")
            scale = self.number()
        self.take(")")
        if not (1 <= precision <= 38 and 0 <= scale <= precision):
            raise TypeTextError(
                f"decimal({precision},{scale}) is out of range: 1 <= scale <= precision <= 38"
            )
        return pa.decimal128(precision, scale)

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise TypeTextError(f"expected a number, found '{token}'", token)
        return int(token)

    def struct(self, depth: int) -> pa.StructType:
        self.take("<")
        fields: list[pa.Field] = []
        while self.peek() != ">":
            if fields:
                self.take(",")
            name = self.take().strip("`")
            if self.peek() == ":":
                self.take(":")
            fields.append(pa.field(name, self.type(depth + 1)))
        self.take(">")
        if len({field.name.lower() for field in fields}) != len(fields):
            raise TypeTextError("a struct names one field twice (case does not count)")
        if not fields:
            raise TypeTextError("a struct needs at least one field")
        return pa.struct(fields)


def parse_type(text: str) -> pa.DataType:
    """The Arrow type of one Spark DDL type; raises `TypeTextError`."""
    parser = _Parser(text)
    parsed = parser.type()
    if parser.peek():
        raise TypeTextError(f"'{parser.peek()}' follows a complete type", parser.peek())
    return parsed


def to_ddl(data_type: pa.DataType) -> str:
    """The canonical Spark DDL of a type that `parse_type` can return."""
    if pa.types.is_list(data_type):
        return f"ARRAY<{to_ddl(data_type.value_type)}>"
    if pa.types.is_struct(data_type):
        return f"STRUCT<{', '.join(f'`{field.name}`: {to_ddl(field.type)}' for field in data_type)}>"
    if pa.types.is_decimal(data_type):
        return f"DECIMAL({data_type.precision},{data_type.scale})"
    return next(ddl for arrow, ddl in _SIMPLE.values() if arrow == data_type)
