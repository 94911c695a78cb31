"""A raw extract becomes the next audience snapshot: columns of the contract, addresses judged, nothing else changed.

Invariant: additive drift passes (unknown columns are dropped, and named), a missing or retyped column is refused
before anything is written. Does not promote; see `pipelines.edges.promotion`.
"""

from __future__ import annotations

import difflib

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DecimalType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from pipelines.addresses import find_invalid_channels
from pipelines.suppression import customer_value
from schemas.tables import table

AUDIENCE = table("audience")
_DERIVED = ("invalid_channels",)


class RefusedError(Exception):
    """The extract cannot become a snapshot; the message names the columns or expectations and never a value."""


def contract_columns() -> StructType:
    """The columns an extract must bring: the snapshot's, less those that the build derives."""
    return StructType([field for field in AUDIENCE.schema().fields if field.name not in _DERIVED])


def conform(extract: DataFrame) -> DataFrame:
    """The extract in the columns, order and types of the contract. Raises `RefusedError` naming each fault."""
    found = {field.name: field.dataType for field in extract.schema.fields}
    faults = []
    for field in contract_columns().fields:
        if field.name not in found:
            close = difflib.get_close_matches(
                field.name, [n for n in found if n not in AUDIENCE.column_names], 1, 0.5
            )
            hint = f"; the extract has '{close[0]}'" if close else ""
            faults.append(f"column '{field.name}' is missing{hint}")
        elif not _can_hold(field.dataType, found[field.name]):
            faults.append(
                f"column '{field.name}' is {found[field.name].simpleString()}, expected {field.dataType.simpleString()}"
            )
    if faults:
        raise RefusedError(
            f"the extract does not fit the audience contract: {'; '.join(faults)}. Mend the extract."
        )
    return extract.select(*map(_conformed, contract_columns().fields))


def _conformed(field: StructField) -> Column:
    column = F.col(field.name).cast(field.dataType)
    # No list is an empty one: of null, "no order in 30 days" would be neither true nor false, and leave out who never
    # ordered.
    whole = (
        F.coalesce(column, F.array().cast(field.dataType))
        if isinstance(field.dataType, ArrayType)
        else column
    )
    return whole.alias(field.name)


def build_snapshot(extract: DataFrame, suppressions: DataFrame | None = None) -> DataFrame:
    """Grain: one row per row of the extract, in the columns of the audience table, less those of customers whom
    `suppressions` (the table) says to be erased: an extract may be older than an erasure."""
    conformed = conform(extract)
    if suppressions is not None:
        erased = suppressions.where((F.col("kind") == "customer") & (F.col("cause") == "erased"))
        digests = erased.select(F.col("value").alias("digest")).distinct()
        is_theirs = customer_value(F.col("customer_id")) == F.col("digest")
        conformed = conformed.join(F.broadcast(digests), on=is_theirs, how="left_anti")
    # Null is let through here, also in an id: a written version is counted and refused, a failed write is a trace.
    fields = [StructField(field.name, field.dataType) for field in AUDIENCE.schema().fields]
    return conformed.mapInArrow(find_invalid_channels, StructType(fields))


def _can_hold(expected: DataType, found: DataType) -> bool:
    """Same type, or one whose cast loses nothing; a number where text is expected is drift, not a format."""
    if _plain(expected) == _plain(found):
        return True
    if isinstance(expected, StringType) or isinstance(found, StringType):
        return False
    if isinstance(expected, DecimalType) and isinstance(found, DecimalType):
        whole = expected.precision - expected.scale
        return found.scale <= expected.scale and found.precision - found.scale <= whole
    return isinstance(expected, LongType) and isinstance(found, IntegerType | ShortType | ByteType)


def _plain(data_type: DataType) -> str:
    """The type without nullability, which Parquet writers set as they please."""
    return data_type.simpleString().replace("timestamp_ntz", "timestamp")
