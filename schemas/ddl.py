"""Column types written as Spark DDL, parsed without Spark.

Invariant: the accepted words are one closed table, and what parses here means the same to Spark's own parser.
It serves the table declarations and the types a campaign declares for its data; it knows no defaults,
comments or constraints.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import DataType

# DDL word → (pyspark.sql.types class, pyarrow type string)
SCALARS: dict[str, tuple[str, str]] = {
    "string": ("StringType", "string"),
    "boolean": ("BooleanType", "bool"),
    "int": ("IntegerType", "int32"),
    "bigint": ("LongType", "int64"),
    "long": ("LongType", "int64"),
    "float": ("FloatType", "float32"),
    "double": ("DoubleType", "float64"),
    "date": ("DateType", "date32"),
    "timestamp": ("TimestampType", "timestamp[us, tz=UTC]"),
    "binary": ("BinaryType", "binary"),
}

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|\d+|[<>(),:])")


class DdlError(ValueError):
    """A type that does not parse; the message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A plain value; `word` is a key of SCALARS."""

    word: str


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number of `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True)
class Array:
    """A list of equal elements."""

    element: DdlType


@dataclass(frozen=True, slots=True)
class Struct:
    """Named fields in order."""

    fields: tuple[tuple[str, DdlType], ...]


DdlType = Scalar | Decimal | Array | Struct


def parse(text: str) -> DdlType:
    """The type that a DDL string like `array<struct<gate string, passed boolean>>` describes."""
    tokens = _tokens(text)
    result, rest = _type(tokens, text)
    if rest:
        raise DdlError(f"'{rest[0]}' is left over in type '{text}'")
    return result


def spark_type(ddl: DdlType | str) -> DataType:
    """The pyspark type; needs no session."""
    from pyspark.sql import types as t

    node = parse(ddl) if isinstance(ddl, str) else ddl
    if isinstance(node, Scalar):
        made: DataType = getattr(t, SCALARS[node.word][0])()
        return made
    if isinstance(node, Decimal):
        return t.DecimalType(node.precision, node.scale)
    if isinstance(node, Array):
        return t.ArrayType(spark_type(node.element))
    return t.StructType([t.StructField(name, spark_type(inner)) for name, inner in node.fields])


def arrow_type(ddl: DdlType | str) -> pa.DataType:
    """The pyarrow type that Spark hands to Python for it (timestamps: microseconds, UTC)."""
    import pyarrow as pa

    node = parse(ddl) if isinstance(ddl, str) else ddl
    if isinstance(node, Scalar):
        return (
            pa.timestamp("us", tz="UTC")
            if node.word == "timestamp"
            else pa.type_for_alias(SCALARS[node.word][1])
        )
    if isinstance(node, Decimal):
        return pa.decimal128(node.precision, node.scale)
    if isinstance(node, Array):
        # Spark calls a list's element "element"; pyarrow's own default is "item".
        return pa.list_(pa.field("element", arrow_type(node.element)))
    return pa.struct([pa.field(name, arrow_type(inner)) for name, inner in node.fields])


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match:
            raise DdlError(f"'{text[position:].strip()[:1]}' does not belong in type '{text}'")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


def _type(tokens: list[str], text: str) -> tuple[DdlType, list[str]]:
    if not tokens:
        raise DdlError(f"type '{text}' ends too early. Allowed: {_allowed()}")
    word, rest = tokens[0].lower(), tokens[1:]
    if word == "decimal":
        return _decimal(rest, text)
    if word == "array":
        element, rest = _type(_expect("<", rest, text), text)
        return Array(element), _expect(">", rest, text)
    if word == "struct":
        return _struct(_expect("<", rest, text), text)
    if word in SCALARS:
        return Scalar(word), rest
    close = difflib.get_close_matches(word, [*SCALARS, "decimal", "array", "struct"], n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    raise DdlError(f"unknown type '{tokens[0]}' in '{text}'. {hint}Allowed: {_allowed()}")


def _decimal(tokens: list[str], text: str) -> tuple[Decimal, list[str]]:
    if (
        len(tokens) < 5
        or not (tokens[1].isdigit() and tokens[3].isdigit())
        or [tokens[0], tokens[2], tokens[4]] != ["(", ",", ")"]
    ):
        raise DdlError(f"expected decimal(PRECISION,SCALE) in type '{text}'")
    precision, scale = int(tokens[1]), int(tokens[3])
    if not (1 <= precision <= 38 and scale <= precision):
        raise DdlError(f"decimal({precision},{scale}): precision is 1 to 38, and scale at most the precision")
    return Decimal(precision, scale), tokens[5:]


def _struct(tokens: list[str], text: str) -> tuple[Struct, list[str]]:
    fields: list[tuple[str, DdlType]] = []
    while True:
        if not tokens or not re.match(r"[A-Za-z_]", tokens[0]):
            raise DdlError(
                f"expected a field name in type '{text}', found '{tokens[0] if tokens else 'the end'}'"
            )
        name, tokens = tokens[0], tokens[1:]
        if name in (known for known, _ in fields):
            raise DdlError(f"field '{name}' stands twice in type '{text}'")
        inner, tokens = _type(tokens[1:] if tokens[:1] == [":"] else tokens, text)
        fields.append((name, inner))
        if tokens[:1] != [","]:
            return Struct(tuple(fields)), _expect(">", tokens, text)
        tokens = tokens[1:]


def _expect(symbol: str, tokens: list[str], text: str) -> list[str]:
    if tokens[:1] != [symbol]:
        raise DdlError(f"expected '{symbol}' in type '{text}', found '{tokens[0] if tokens else 'the end'}'")
    return tokens[1:]


def _allowed() -> str:
    return f"{', '.join(SCALARS)}, decimal(P,S), array<T>, struct<NAME T, …>"
