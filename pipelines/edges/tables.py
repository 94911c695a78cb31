"""The lake's tables without Spark: questions of people, and the small appends of an epoch, in a tenth of a second.

Invariant: it reads the newest version. Of the files only the columns and row groups that a question needs are fetched.
A commit is made with `If-None-Match`, as those of Spark are (ADR 2), so that both may write to one table.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from conf import Lake
from pipelines.ahead import ahead
from pipelines.edges.creating import make_table
from pipelines.errors import BUSY, FILE_GONE, BusyTableError, InputError, ServerError, one_line
from schemas.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

    from pipelines.edges.scans import FilePart, TableScan


#: How many files are read at a time.
_READERS = 8
#: How often a rewriting is begun again; each time a driver has appended meanwhile.
_ATTEMPTS = 8

_Answer = TypeVar("_Answer")

#: How delta-rs says that a file is not there.
_GONE = re.compile(r"Object at location (\S+\.parquet) not found")


class DataFile(NamedTuple):
    """A file of a table: its path under the table, its bytes, and Delta's statistics of it as JSON."""

    path: str
    size: int
    stats: str


class Tables:
    """The tables of one lake, through delta-rs."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._options = lake.object_store()
        self._opened: dict[str, DeltaTable] = {}

    def query(self, table: Table, sql: str, version: int | None = None) -> list[dict[str, Any]]:
        """The rows of a query over the view `t`: the table, at that version or the newest; none when it is not there
        yet. Raises `ServerError` when S3 does not answer."""
        return [row for part in self.stream(table, sql, version) for row in part.to_pylist()]

    def stream(self, table: Table, sql: str, version: int | None = None) -> Iterator[pa.Table]:
        """As `query`, one part of the rows after the other."""
        opened = self.find(table) if version is None else self._at(table, version)
        if opened is None:
            return
        # Imported here: 52 MB that no other command should load.
        from deltalake import QueryBuilder
        from pyarrow import RecordBatchReader, Table

        with self.explained(table):
            engine = QueryBuilder().register("t", opened)
            # Other columns are read for the rows that passed the filter alone.
            engine.execute("SET datafusion.execution.parquet.pushdown_filters = true")
            # Files are waited for, not computed on: 96 files at 20 ms a request took 4.2 s by 2, 1.6 s by 8.
            engine.execute(f"SET datafusion.execution.target_partitions = {_READERS}")
            for batch in RecordBatchReader.from_stream(engine.execute(sql)):
                yield Table.from_batches([batch])

    def find(self, table: Table) -> DeltaTable | None:
        """The table at its newest version; None when it is not there."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with self.explained(table):
            try:
                return DeltaTable(self._lake.delta_uri(table.name), storage_options=self._options)
            except TableNotFoundError:
                return None

    def batches(self, table: Table, version: int) -> Iterator[pa.RecordBatch]:
        """The rows at that version."""
        with self.explained(table):
            yield from self._at(table, version).to_pyarrow_dataset().to_batches()

    def parts(self, scan: TableScan, version: int | None = None) -> tuple[list[FilePart], int]:
        """The parts of a scan at that version, or the newest, and how many rows the table's files hold in all."""
        with self.explained(scan.table):
            opened = self.newest(scan.table) if version is None else self._at(scan.table, version)
            return ([], 0) if opened is None else scan.parts(opened)

    def _at(self, table: Table, version: int) -> DeltaTable:
        from deltalake import DeltaTable

        opened = self._opened.get(table.name)
        if opened is not None and opened.version() == version:
            return opened
        uri = self._lake.delta_uri(table.name)
        with self.explained(table):
            return DeltaTable(uri, version=version, storage_options=self._options)

    def newest(self, table: Table) -> DeltaTable | None:
        """As `find`; a table that was opened before only learns what has been committed since."""
        opened = self._opened.get(table.name)
        if opened is None:
            opened = self.find(table)
            if opened is not None:
                self._opened[table.name] = opened
            return opened
        with self.explained(table):
            opened.update_incremental()
            return opened

    def made(self, table: Table) -> DeltaTable:
        """As `newest`, of a table that is made when it is not there. Raises `InputError` where it cannot be made."""
        opened = self.newest(table)
        if opened is None:
            make_table(self._lake, table)
            opened = self.newest(table)
        assert opened is not None
        return opened

    def at_least(self, table: Table, version: int) -> DeltaTable | None:
        """The table at that version or a later one; None when it is not there, and at version -1 it need not be. S3 is
        asked only when what was opened last is older."""
        opened = self._opened.get(table.name)
        if opened is not None and opened.version() >= version:
            return opened
        return None if version < 0 else self.newest(table)

    def append_once(self, table: Table, rows: pa.Table, app_id: str, unit: int) -> bool:
        """Append unless this app id has appended this unit, or a later one, before or meanwhile. Whether these rows
        were appended; the table is there."""
        from deltalake import write_deltalake

        def commit(opened: DeltaTable, properties: CommitProperties) -> None:
            write_deltalake(opened, rows, mode="append", commit_properties=properties)

        return self._commit_once(table, app_id, unit, commit)

    def append_stream_once(
        self, table: Table, rows: Callable[[], Iterable[pa.Table]], app_id: str, unit: int
    ) -> bool:
        """As `append_once`, of rows that come one part after the other; asked for anew with each attempt."""
        from deltalake import write_deltalake
        from pyarrow import RecordBatchReader

        def commit(opened: DeltaTable, properties: CommitProperties) -> None:
            # In a thread of its own: where the rows are read by delta-rs too, it refuses to wait within its own work.
            batches = (batch for part in ahead(iter(rows())) for batch in part.to_batches())
            reader = RecordBatchReader.from_batches(table.arrow_schema(), batches)
            write_deltalake(opened, reader, mode="append", commit_properties=properties)

        return self._commit_once(table, app_id, unit, commit)

    def add_files_once(
        self, table: Table, files: Iterable[DataFile], partition: Mapping[str, str], app_id: str, unit: int
    ) -> bool:
        """As `append_once`, of rows that lie in one partition of the table as files already."""
        from deltalake.transaction import AddAction, RemoveAction

        at = int(time.time() * 1000)
        added: list[AddAction | RemoveAction] = [
            AddAction(one.path, one.size, partition, at, True, one.stats) for one in files
        ]

        def commit(opened: DeltaTable, properties: CommitProperties) -> None:
            opened.create_write_transaction(
                added, "append", opened.schema(), list(partition), commit_properties=properties
            )

        return self._commit_once(table, app_id, unit, commit)

    def _commit_once(
        self, table: Table, app_id: str, unit: int, commit: Callable[[DeltaTable, CommitProperties], None]
    ) -> bool:
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError

        transaction = Transaction(f"{app_id}/{table.name}", unit)
        with self.explained(table):
            while not self.has_appended(table, app_id, unit):
                opened = self._opened[table.name]
                before = opened.version()
                try:
                    commit(opened, CommitProperties(app_transactions=[transaction]))
                    return True
                except CommitFailedError:
                    # Somebody has committed under this app id meanwhile: this unit, or another one.
                    if self.version(table) == before:
                        raise
        return False

    def has_appended(self, table: Table, app_id: str, unit: int) -> bool:
        """Whether `append_once` of this app id and unit, or of a later one, has been committed."""
        return self.last_appended(table, app_id) >= unit

    def last_appended(self, table: Table, app_id: str) -> int:
        """The last unit that was appended by this app id; -1 for none."""
        opened = self.newest(table)
        last = None if opened is None else opened.transaction_version(f"{app_id}/{table.name}")
        return -1 if last is None else last

    def has_column(self, table: Table, name: str) -> bool:
        """Whether the newest version has it: one that was declared since is added by the next driver."""
        opened = self.newest(table)
        return opened is not None and name in {field.name for field in opened.schema().fields}

    def column_names(self, table: Table, version: int) -> frozenset[str]:
        """The columns that this version has; later ones may have more."""
        return frozenset(field.name for field in self._at(table, version).schema().fields)

    def version(self, table: Table) -> int:
        """The newest version; -1 when the table is not there."""
        opened = self.newest(table)
        return -1 if opened is None else int(opened.version())

    def append(self, table: Table, rows: pa.Table) -> None:
        """Append the rows, in the columns of the contract; makes the table when it is not there."""
        from deltalake import write_deltalake

        opened = self.made(table)
        with self.explained(table):
            write_deltalake(opened, rows, mode="append")

    def rewrite(
        self, table: Table, change: Callable[[DeltaTable], _Answer], attempts: int = _ATTEMPTS
    ) -> _Answer | None:
        """Change the newest version; begun again when another commit came first. None when the table is not there.

        Raises `BusyTableError` when others come first each time."""
        from deltalake.exceptions import CommitFailedError

        with self.explained(table):
            for _ in range(attempts):
                found = self.find(table)
                with suppress(CommitFailedError):
                    return None if found is None else change(found)
        raise BusyTableError(f"the table '{table.name}' in {self._lake.root} {BUSY.format(attempts)}")

    def explained(self, table: Table) -> AbstractContextManager[None]:
        """As the function of this name, for a table of this lake."""
        return explained(self._lake, table)


@contextmanager
def explained(lake: Lake, table: Table) -> Iterator[None]:
    """What delta-rs says of a table that cannot be read or written becomes an `InputError` or a `ServerError`."""
    from deltalake.exceptions import DeltaError, TableNotFoundError
    from pyarrow import ArrowException

    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError, ArrowException) as error:
        if gone := _GONE.search(str(error)):
            raise InputError(FILE_GONE.format(f"s3a://{lake.bucket}/{gone.group(1)}")) from None
        raise ServerError(
            f"the table '{table.name}' in {lake.root} cannot be used: {one_line(error)}. "
            "Check lake.endpoint_url, lake.root and the credentials."
        ) from None
