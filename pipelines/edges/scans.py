"""The rows of a table, read by many tasks: the driver names the files, and each task reads its own into Arrow.

Invariant: the parts of a scan hold each row of a version once, whatever its files are. It knows no Spark: through the
JVM, row by row, reading and joining cost three times as much as rendering and publishing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_, eq, ge
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conf import Lake
from pipelines.edges.tables import explained
from pipelines.errors import InputError
from schemas.tables import Table

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyarrow.compute import Expression
    from pyarrow.dataset import Dataset

#: What a task reads of a file; a larger one is shared by several.
_PART_BYTES = 128 * 1024 * 1024
#: Rows that are read at a time.
_ROWS = 100_000
_BATCH_BYTES = 16 * 1024 * 1024
#: With these, what the files of a table hold is not what the table holds.
_UNREADABLE = {"deletionVectors", "columnMapping"}


class FilePart(NamedTuple):
    """A share of a file: the row groups whose number leaves `part` when it is divided by `parts`."""

    path: str
    size: int
    part: int
    parts: int


@dataclass(frozen=True)
class TableScan:
    """Reads columns of a table, of the rows in which those of `where` have these values, and those of `since` these or
    greater ones; travels to the executors."""

    lake: Lake
    table: Table
    columns: tuple[str, ...]
    where: tuple[tuple[str, Any], ...] = ()
    since: tuple[tuple[str, Any], ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """What `read` yields."""
        return self.table.read_schema(self.columns)

    def parts(self, opened: DeltaTable) -> tuple[list[FilePart], int]:
        """Those of this version of the table, without files that hold no such row by their bounds; and how many rows
        all of its files hold. Raises `InputError` for a table whose files cannot be read as they are."""
        found = _UNREADABLE.intersection(opened.protocol().reader_features or ())
        if opened.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            found |= {"columnMapping"}  # of a protocol that knows no features yet
        if found:
            raise InputError(
                f"the table '{self.table.name}' in {self.lake.root} uses {' and '.join(sorted(found))}; Carillon reads "
                "the files of a table as they are. Drop the feature (Delta: ALTER TABLE … DROP FEATURE)."
            )
        actions = pa.table(opened.get_add_actions(flatten=True))
        sizes = dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))
        asked = [(name, "=", value) for name, value in self.where]
        asked += [(name, ">=", value) for name, value in self.since]
        parts = []
        for path in opened.to_pyarrow_dataset(file_pruning_predicate=asked or None).files:
            count = -(-sizes[path] // _PART_BYTES)
            parts += [FilePart(path, sizes[path], part, count) for part in range(count)]
        return parts, sum(count or 0 for count in actions["num_records"].to_pylist())

    def read(self, part: FilePart) -> Iterator[pa.RecordBatch]:
        """The rows of one part, in batches of at most `_ROWS` rows and some `_BATCH_BYTES`. Raises `InputError` when
        the file is gone, and `ServerError`."""
        with explained(self.lake, self.table):
            # One thread: a task has one core.
            batches = self._open(part).to_batches(
                columns=list(self.columns),
                filter=self._filter(),
                batch_size=_ROWS,
                batch_readahead=1,
                use_threads=False,
            )
            for batch in batches:
                rows = max(1, batch.num_rows * _BATCH_BYTES // max(batch.nbytes, _BATCH_BYTES))
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, rows)

    def read_all(self, parts: Iterable[FilePart]) -> pa.Table:
        """The rows of these parts together. Raises what `read` raises."""
        rows = [batch for part in parts for batch in self.read(part)]
        # Files say of their own that a column is never null; what is read may be older than the column.
        return pa.Table.from_batches(rows) if rows else self.schema.empty_table()

    def _open(self, part: FilePart) -> Dataset:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow import dataset
        from pyarrow.fs import PyFileSystem

        where, options = self.lake.delta_uri(self.table.name), self.lake.object_store()
        files = PyFileSystem(DeltaStorageHandler(where, options, {part.path: part.size}))
        scan = dataset.ParquetFragmentScanOptions(pre_buffer=True)
        parquet = dataset.ParquetFileFormat(default_fragment_scan_options=scan)
        fragment = parquet.make_fragment(part.path, files)
        if part.parts > 1:
            own = range(part.part, fragment.num_row_groups, part.parts)
            fragment = fragment.subset(row_group_ids=list(own))
        return dataset.FileSystemDataset([fragment], self.table.arrow_schema(), parquet, files)

    def _filter(self) -> Expression | None:
        # The value of a partition column is in the file's name, not in the file.
        asked = [(eq, *pair) for pair in self.where] + [(ge, *pair) for pair in self.since]
        own = [
            holds(pc.field(name), pa.scalar(value))
            for holds, name, value in asked
            if name not in self.table.partition_by
        ]
        return reduce(and_, own) if own else None
