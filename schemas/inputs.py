"""What the decoder needs to know of the input records, derived from the message models.

Invariant: fields, JSON types and requiredness come from the models in `schemas.messages.inputs`; nothing is written twice. It
decodes nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.messages.base import Record
from schemas.messages.inputs import CustomerEvent, Trigger

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

KNOWN_VERSIONS: tuple[int, ...] = (1,)
DEFAULT_VERSION = 1
# A record over this many bytes is a dead letter (too_large) before anybody parses it. The topics themselves take 8 MiB.
VALUE_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of an input record."""

    name: str
    json_type: str  # string, object or integer
    is_required: bool
    is_timestamp: bool  # a string that must be RFC 3339


@dataclass(frozen=True, slots=True)
class Input:
    """One input record type and the topic it arrives on."""

    topic: str
    id_field: str
    body_field: str  # the object kept as JSON text, because each campaign declares its own types for it
    fields: tuple[InputField, ...]

    def struct(self) -> StructType:
        """Each field as text (objects as their JSON text), nullable, for `from_json`; needs no session."""
        from pyspark.sql.types import LongType, StringType, StructField, StructType

        types = {"string": StringType(), "object": StringType(), "integer": LongType()}
        return StructType([StructField(field.name, types[field.json_type], True) for field in self.fields])


def _fields(model: type[Record]) -> tuple[InputField, ...]:
    schema = model.model_json_schema()
    required = set(schema["required"])
    return tuple(_field(name, entry, name in required) for name, entry in schema["properties"].items())


def _field(name: str, entry: dict[str, Any], is_required: bool) -> InputField:
    options = [option for option in entry.get("anyOf", [entry]) if option.get("type") != "null"]
    option = options[0]
    json_type = "integer" if "const" in option else str(option["type"])
    return InputField(name, json_type, is_required, option.get("format") == "date-time")


TRIGGERS = Input("campaign.triggers", "trigger_id", "data", _fields(Trigger))
EVENTS = Input("customer.events", "event_id", "properties", _fields(CustomerEvent))
INPUTS: tuple[Input, ...] = (TRIGGERS, EVENTS)
