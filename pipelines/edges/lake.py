"""The Delta tables of the lake: create, read at a pinned version, append once per unit.

Invariant: an append names its writer (`txnAppId`) and its unit (`txnVersion`), so a replay appends nothing. One app id
per (pipeline, incarnation, table, stage): Delta silently skips a version that is not above the last one of its app id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from delta.exceptions import ConcurrentTransactionException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import Lake
from pipelines.edges.tables import DataFile, Tables
from schemas.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable as RustTable


class DeltaLake:
    """The tables of one lake, through one Spark session."""

    def __init__(self, spark: SparkSession, lake: Lake, tables: Tables | None = None) -> None:
        self.spark = spark
        self.settings = lake
        self.tables = tables or Tables(lake)

    def path(self, table: Table) -> str:
        return self.settings.uri(table.name)

    def ensure(self, table: Table) -> None:
        """Make the table when it is not there; a column that was declared since is added to one that is."""
        self._add_columns(table, self.tables.made(table))

    def renew(self, table: Table) -> None:
        """Add the columns that were declared since to a table that is there."""
        opened = self.tables.newest(table)
        if opened is not None:
            self._add_columns(table, opened)

    def _make_once(self, table: Table) -> None:
        """As `ensure`, without a look at the columns of a table that is there."""
        if self.tables.at_least(table, 0) is None:
            self.ensure(table)

    def _add_columns(self, table: Table, opened: RustTable) -> None:
        there = {field.name for field in opened.schema().fields}
        missing = [f"`{c.name}` {c.type}" for c in table.columns if c.name not in there]
        if missing:
            self.spark.sql(f"ALTER TABLE delta.`{self.path(table)}` ADD COLUMNS ({', '.join(missing)})")

    def version(self, table: Table) -> int:
        """The newest version; -1 when the table is not there."""
        return self.tables.version(table)

    def table_id(self, table: Table) -> str:
        """The id that Delta drew when the table was made; the table is there."""
        opened = self.tables.newest(table)
        assert opened is not None
        return str(opened.metadata().id)

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The table, at the version where one is given; columns in the order of the contract, null where a version is
        older than the column."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", str(version))
        rows = reader.load(self.path(table))
        there = set(rows.columns)
        columns = [
            F.col(field.name) if field.name in there else F.lit(None).cast(field.dataType).alias(field.name)
            for field in table.schema().fields
        ]
        return rows.select(*columns)

    def append_once(self, table: Table, rows: DataFrame, app_id: str, unit: int) -> None:
        """Append unless this app id has appended this unit, or a later one, before or meanwhile. Makes the table."""
        self._make_once(table)
        writer = rows.write.format("delta").mode("append")
        once = writer.option("txnAppId", f"{app_id}/{table.name}").option("txnVersion", str(unit))
        try:
            once.save(self.path(table))
        except ConcurrentTransactionException:
            # A second driver of the pipeline works on the same unit, from the same manifest: its rows are these rows.
            if not self.has_appended(table, app_id, unit):
                raise

    def append_few(self, table: Table, rows: pa.Table, app_id: str, unit: int) -> bool:
        """As `append_once`, for rows that the driver holds: a tenth of a second, where Spark's write takes one. Whether
        these rows were appended."""
        self._make_once(table)
        return self.tables.append_once(table, rows, app_id, unit)

    def append_stream(
        self, table: Table, rows: Callable[[], Iterable[pa.Table]], app_id: str, unit: int
    ) -> bool:
        """As `append_few`, for rows that pass through the driver without being held there. `rows` gives them anew each
        time that it is asked."""
        self._make_once(table)
        return self.tables.append_stream_once(table, rows, app_id, unit)

    def append_files(
        self, table: Table, files: DataFrame, partition: Mapping[str, str], app_id: str, unit: int
    ) -> bool:
        """As `append_few`, for rows that tasks write into files of one partition of the table (`FileTask`): `files` has
        a row for each, in the columns of `DataFile`. Runs the tasks unless the unit was appended before."""
        self._make_once(table)
        if self.has_appended(table, app_id, unit):
            return False
        written = [DataFile(**row.asDict()) for row in files.collect()]
        return not written or self.tables.add_files_once(table, written, partition, app_id, unit)

    def append_nothing(self, table: Table, app_id: str, unit: int) -> None:
        """Commit no rows under this app id and unit, so that an append of an earlier unit is skipped from now on."""
        self.append_few(table, table.arrow_schema().empty_table(), app_id, unit)

    def replace(self, table: Table, rows: DataFrame) -> None:
        """The rows become the table's newest version; older versions stay readable while they are retained."""
        rows.write.format("delta").mode("overwrite").save(self.path(table))

    def has_appended(self, table: Table, app_id: str, unit: int) -> bool:
        """Whether `append_once` of this app id and unit has been committed."""
        return self.tables.has_appended(table, app_id, unit)

    def last_appended(self, table: Table, app_id: str) -> int:
        """The last unit that was appended once by this app id; -1 for none."""
        return self.tables.last_appended(table, app_id)
