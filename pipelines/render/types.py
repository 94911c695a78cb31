"""The types of the intermediate representation: what is known of a value before the first row.

Invariant: two values of equal `Type` have equal Arrow storage and equal Python semantics, so one kernel
serves both. "object" holds values that only Python can hold. Does not look at data.
"""

from __future__ import annotations

import datetime
import decimal
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa
from markupsafe import Markup

Kind = Literal[
    "str",
    "int",
    "float",
    "bool",
    "decimal",
    "date",
    "timestamp",
    "list",
    "struct",
    "none",
    "undefined",
    "object",
]


@dataclass(frozen=True, slots=True)
class Type:
    """A kind with its Arrow type.

    `markup` tells text that is already HTML; `lazy` a list that Python has as a generator: it can be gone
    through, once, and has no length.
    """

    kind: Kind
    arrow: pa.DataType | None = None
    markup: bool = False
    lazy: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind in ("int", "float", "bool")

    @property
    def item(self) -> Type:
        """The type of a list's items."""
        assert self.arrow is not None
        return type_of_arrow(self.arrow.value_type)

    def with_markup(self, markup: bool) -> Type:
        return replace(self, markup=markup)


STR = Type("str", pa.string())
MARKUP = Type("str", pa.string(), True)
INT = Type("int", pa.int64())
FLOAT = Type("float", pa.float64())
BOOL = Type("bool", pa.bool_())
NONE = Type("none", pa.null())
UNDEFINED = Type("undefined")
OBJECT = Type("object")
DATE = Type("date", pa.date32())


def type_of_arrow(arrow: pa.DataType) -> Type:
    """The type that `normalised` data of this Arrow type has."""
    if pa.types.is_dictionary(arrow):
        return type_of_arrow(arrow.value_type)
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
        return STR
    if pa.types.is_boolean(arrow):
        return BOOL
    if pa.types.is_integer(arrow) and arrow != pa.uint64():
        return INT
    if pa.types.is_floating(arrow):
        return FLOAT
    if pa.types.is_decimal(arrow):
        return Type("decimal", arrow)
    if pa.types.is_date32(arrow):
        return DATE
    if pa.types.is_timestamp(arrow) and arrow.unit == "us":
        return Type("timestamp", arrow)
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return Type("list", pa.list_(arrow.value_type))
    if pa.types.is_struct(arrow):
        return Type("struct", arrow)
    if pa.types.is_null(arrow):
        return NONE
    return OBJECT


# Storage that is already what its `Type` promises; asked for each value of each batch, so by number.
_NORMAL = frozenset(
    t.id
    for t in (
        pa.string(),
        pa.struct([]),
        pa.list_(pa.null()),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us"),
        pa.decimal128(1),
        pa.null(),
    )
)


def normalised(data: Any) -> Any:
    """The array with the storage its `Type` promises; nested children are normalised when they are read."""
    arrow = data.type
    if arrow.id in _NORMAL:
        return data
    if pa.types.is_dictionary(arrow):
        return normalised(data.dictionary_decode())
    wanted = type_of_arrow(arrow)
    if wanted.kind in ("object", "none") or wanted.arrow == arrow:
        return data
    return data.cast(wanted.arrow)


def type_of_constant(value: Any) -> Type:
    """The type of a literal."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT if -(2**63) <= value < 2**63 else OBJECT
    if isinstance(value, float):
        return FLOAT
    if isinstance(value, Markup):
        return MARKUP
    if isinstance(value, str):
        return STR
    if isinstance(value, (decimal.Decimal, datetime.date, datetime.datetime)):
        return OBJECT
    return OBJECT


def unified(one: Type, other: Type) -> Type:
    """The type that holds values of both without changing a value's text, or OBJECT."""
    if one == other:
        return one
    if one.kind in ("none", "undefined"):
        return other
    if other.kind in ("none", "undefined"):
        return one
    return OBJECT
