"""What a table declaration consists of.

Invariant: a table's columns, grain, keys, partitioning, retention and writer are stated in one value. It
makes no table and reads none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas import ddl

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import StructType


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its DDL type and what it holds."""

    name: str
    type: str
    comment: str
    is_nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table under the lake's root, at `<root>/<name>`."""

    name: str
    grain: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    retention_days: int | None  # None: kept until somebody deletes it
    writer: str

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names in order, for the `select` that ends a pipeline function."""
        return tuple(column.name for column in self.columns)

    def schema(self) -> StructType:
        """The Spark schema; needs no session."""
        from pyspark.sql.types import StructField, StructType

        return StructType(
            [
                StructField(column.name, ddl.spark_type(column.type), column.is_nullable)
                for column in self.columns
            ]
        )

    def read_schema(self, names: Iterable[str]) -> pa.Schema:
        """Of these columns, each of which may be null: one that a file is older than is."""
        import pyarrow as pa

        declared = self.arrow_schema()
        return pa.schema([declared.field(name).with_nullable(True) for name in names])

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema that Spark hands to Python for this table."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(column.name, ddl.arrow_type(column.type), column.is_nullable)
                for column in self.columns
            ]
        )


def conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in the columns of a `read_schema`; one that a file or a version is older than is null."""
    import pyarrow as pa

    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
