"""What all record models share.

Invariant: JSON types are checked strictly, unknown fields are ignored (a newer writer may add some), and a
record is immutable. Parse with `Model.model_validate_json(bytes)`, one that is to be written to an input topic with
`schemas.reading.read_record`. These models are for contracts, tests and senders, never for the per-row path.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

# As `pipelines.decode` reads times: digits are ASCII, an offset is at most 18 hours.
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_OFFSET_MINUTES_MAX = 18 * 60
_YEARS = (2, 9998)


def _read_time(value: Any, info: ValidationInfo) -> Any:
    """pydantic's own reading of JSON takes a time without seconds, one with a blank, and seconds since 1970."""
    if info.mode != "json" or not isinstance(value, str):
        return value
    found = _RFC3339.fullmatch(value)
    instant = None if found is None else _instant(*found.groups())
    if instant is None:
        raise PydanticCustomError(
            "datetime_rfc3339",
            "Input should be an RFC 3339 time with seconds and a timezone, in the years 2 to 9998",
        )
    return instant


def _instant(day: str, clock: str, fraction: str | None, zone: str) -> datetime | None:
    zone = "+00:00" if zone in "Zz" else zone
    hours, minutes = int(zone[1:3]), int(zone[4:])
    if minutes > 59 or hours * 60 + minutes > _OFFSET_MINUTES_MAX:
        return None
    try:
        instant = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '').ljust(6, '0')[:6]}{zone}")
        year = instant.astimezone(timezone.utc).year
    except (ValueError, OverflowError):
        return None
    return instant if _YEARS[0] <= year <= _YEARS[1] else None


def _check_version(value: Any) -> Any:
    if type(value) in (bool, float):  # which equal 1 in Python
        raise PydanticCustomError("literal_error", "Input should be 1")
    return value


Id = Annotated[str, Field(min_length=1, max_length=256)]
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_read_time),
    Field(description="RFC 3339 with an offset, such as 2026-03-01T09:00:00Z."),
]
SchemaVersion = Annotated[
    Literal[1],
    BeforeValidator(_check_version),
    Field(description="Version of this record's contract; absent means 1."),
]
Channel = Literal["email", "sms", "push"]


class Record(BaseModel):
    """One record's value, or an object inside one."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    def to_json(self) -> str:
        """The JSON text as Carillon writes it: wire names, unset optional fields left out."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


Data = dict[str, Any]
