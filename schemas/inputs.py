"""What the decoder needs to know of the input records, derived from the message models.

Invariant: fields, JSON types and requiredness come from the models in `schemas.messages.inputs`; nothing is
written twice. It decodes nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.messages.base import Record
from schemas.messages.inputs import CustomerEvent, Trigger

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

KNOWN_VERSIONS: tuple[int, ...] = (1,)  # of `schema_version`; an absent one means 1
# A larger record is a dead letter (too_large) before anybody parses it; the topics themselves take 8 MiB.
RECORD_BYTES_MAX = 1_000_000
ID_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of an input record."""

    name: str
    json_type: str  # string, object or integer
    is_required: bool
    is_time: bool  # a string that must be RFC 3339


@dataclass(frozen=True, slots=True)
class Input:
    """One input record type and the topic it arrives on."""

    topic: str
    fields: tuple[InputField, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The required strings that are not times."""
        return tuple(f.name for f in self.fields if f.json_type == "string" and not f.is_time)

    @property
    def times(self) -> tuple[str, ...]:
        """The required times."""
        return tuple(f.name for f in self.fields if f.is_time and f.is_required)

    @property
    def optional_times(self) -> tuple[str, ...]:
        """The times that may be absent or null."""
        return tuple(f.name for f in self.fields if f.is_time and not f.is_required)

    @property
    def object_field(self) -> str:
        """The object that stays JSON text, because each campaign declares its own types for it."""
        return next(f.name for f in self.fields if f.json_type == "object")

    def struct(self) -> StructType:
        """Each field as it is decoded, the object as its JSON text; all nullable; needs no session."""
        from pyspark.sql.types import DataType, LongType, StringType, StructField, StructType, TimestampType

        def decoded(field: InputField) -> DataType:
            if field.is_time:
                return TimestampType()
            return LongType() if field.json_type == "integer" else StringType()

        return StructType([StructField(field.name, decoded(field), True) for field in self.fields])


def _fields(model: type[Record]) -> tuple[InputField, ...]:
    schema = model.model_json_schema()
    required = set(schema["required"])
    return tuple(_field(name, entry, name in required) for name, entry in schema["properties"].items())


def _field(name: str, entry: dict[str, Any], is_required: bool) -> InputField:
    # An optional field is {"anyOf": [{its type}, {"type": "null"}]}; the version is {"const": 1}.
    option = next(option for option in entry.get("anyOf", [entry]) if option.get("type") != "null")
    json_type = "integer" if "const" in option else str(option["type"])
    return InputField(name, json_type, is_required, option.get("format") == "date-time")


TRIGGERS = Input("campaign.triggers", _fields(Trigger))
EVENTS = Input("customer.events", _fields(CustomerEvent))
INPUTS: tuple[Input, ...] = (TRIGGERS, EVENTS)
