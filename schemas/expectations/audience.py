"""The expectations of an audience snapshot; one that fails keeps the snapshot from being promoted.

Invariant: plain data (the class name of an expectation and its arguments), so nothing here needs Great
Expectations to be read. `mostly` is the share of the non-null values that must comply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Expectation:
    """One expectation: `kind` is the class in `great_expectations.expectations`, `why` is for the person who reads
    the refusal."""

    kind: str
    arguments: dict[str, Any]
    why: str


AUDIENCE_EXPECTATIONS: tuple[Expectation, ...] = (
    Expectation(
        "ExpectColumnValuesToNotBeNull", {"column": "customer_id"}, "a row without an id cannot be addressed"
    ),
    Expectation(
        "ExpectColumnValuesToBeUnique",
        {"column": "customer_id"},
        "two rows of a customer would be two messages",
    ),
    Expectation(
        "ExpectColumnValueLengthsToBeBetween",
        {"column": "customer_id", "min_value": 1, "max_value": 256},
        "ids are Kafka keys; the same bound holds for triggers",
    ),
    Expectation(
        "ExpectColumnValuesToMatchRegex",
        {"column": "email", "regex": r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "mostly": 0.9},
        "a column of broken addresses is a broken extract; single ones are excluded one by one",
    ),
    Expectation(
        "ExpectColumnValuesToMatchRegex",
        {"column": "phone", "regex": r"^\+[1-9]\d{6,14}$", "mostly": 0.9},
        "E.164; a column of national numbers is a broken extract",
    ),
    Expectation(
        "ExpectColumnValuesToMatchRegex",
        {"column": "locale", "regex": r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", "mostly": 0.95},
        "BCP 47",
    ),
)

#: A snapshot may shrink or grow by half and double against the one in force; more is a broken extract until a person
#: says otherwise with --accept-row-count.
ROWS_MIN_SHARE, ROWS_MAX_SHARE = 0.5, 2.0


def row_count_expectation(previous_rows: int | None) -> Expectation:
    """The bounds on the number of rows, from the snapshot in force where there is one."""
    if previous_rows is None:
        return Expectation(
            "ExpectTableRowCountToBeBetween", {"min_value": 1}, "an empty audience is never meant"
        )
    bounds = {
        "min_value": max(1, int(previous_rows * ROWS_MIN_SHARE)),
        "max_value": int(previous_rows * ROWS_MAX_SHARE),
    }
    return Expectation(
        "ExpectTableRowCountToBeBetween", bounds, f"the snapshot in force has {previous_rows} rows"
    )
