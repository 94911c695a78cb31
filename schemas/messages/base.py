"""What all record models share.

Invariant: JSON types are checked strictly, unknown fields are ignored (a newer writer may add some), and a
record is immutable. Parse with `Model.model_validate_json(bytes)`. These models are for contracts, tests and
senders, never for the per-row path.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=256)]
Timestamp = Annotated[
    AwareDatetime, Field(description="RFC 3339 with an offset, such as 2026-03-01T09:00:00Z.")
]
SchemaVersion = Annotated[Literal[1], Field(description="Version of this record's contract; absent means 1.")]
Channel = Literal["email", "sms", "push"]


class Record(BaseModel):
    """One record's value, or an object inside one."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    def to_json(self) -> str:
        """The JSON text as Carillon writes it: wire names, unset optional fields left out."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


Data = dict[str, Any]
