"""Why one recipient of a batch has no message, in the closed set of `schemas.reasons`.

A detail names templates, lines, variables and limits; it never repeats a customer's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.render import ErrorKind, RowError
from schemas.reasons import reason as reason_of

_REASON_OF_KIND: Mapping[ErrorKind, str] = {
    "undefined": "render_undefined",
    "type": "render_type",
    "value": "render_error",
    "abort": "aborted",
    "limit": "render_limit",
    "security": "render_error",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The row of the batch that was given to `assemble`, its reason code, and words for people."""

    row: int
    reason: str
    detail: str

    def __post_init__(self) -> None:
        reason_of(self.reason)


def from_row_error(error: RowError, row: int) -> Failure:
    """A rendering error as the decision it leads to."""
    if error.kind == "abort":
        return Failure(row, _REASON_OF_KIND["abort"], error.message)
    place = error.template + (f" line {error.line}" if error.line else "")
    about = f"{error.variable}: " if error.variable and error.variable not in error.message else ""
    return Failure(row, _REASON_OF_KIND[error.kind], f"{place}: {about}{error.message}")
