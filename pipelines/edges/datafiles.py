"""Rows that many tasks hold become files of a table: each task writes its own, and the driver commits them together.

Invariant: a file counts only when it is committed; one that a task left behind when it died is nobody's, and is
deleted with other such files (`carillon erase`). Written from Arrow as it is: through the JVM, row by row, the
decisions of a million customers took 32 s of 59. It knows no Spark and reads nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conf import Lake
from pipelines.chunks import rechunk
from pipelines.edges.objects import ObjectStore

#: Rows of a row group: 50 MB of decisions in memory, and what a question for few customers can skip.
_GROUP_ROWS = 50_000
#: A file is ended when it has grown to this; it is held in memory until then.
_FILE_BYTES = 64 * 1024 * 1024
#: Delta asks for bounds that are worth reading: not those of long texts.
_BOUND_CHARACTERS = 64

#: What a task says of a file; see `pipelines.edges.tables.DataFile`.
FILE_COLUMNS = "path string, size bigint, stats string"
_FILE = pa.schema([("path", pa.string()), ("size", pa.int64()), ("stats", pa.string())])


@dataclass(frozen=True)
class FileTask:
    """Writes what one task holds as files of the table `name`, in one partition of it: values by column, as text."""

    lake: Lake
    name: str
    partition: Mapping[str, str]

    def __call__(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Grain of the result: one row per file, in `FILE_COLUMNS`. Raises `StorageError`."""
        objects, folder = ObjectStore(self.lake), "/".join(f"{k}={v}" for k, v in self.partition.items())
        stored = (table.drop_columns(list(self.partition)) for table in tables)
        batches = (batch for table in stored for batch in table.to_batches())
        for content, stats in _files(rechunk(batches, _GROUP_ROWS)):
            # Named by its content: what is committed is never written over by something else.
            path = f"{folder}/part-{hashlib.blake2b(content, digest_size=16).hexdigest()}.zstd.parquet"
            objects.write(f"{self.name}/{path}", content)
            yield pa.RecordBatch.from_pylist([{"path": path, "size": len(content), "stats": stats}], _FILE)


def _files(groups: Iterable[pa.Table]) -> Iterator[tuple[bytes, str]]:
    """Content and statistics of each file; each table becomes a row group."""
    opened: _OpenFile | None = None
    for group in groups:
        opened = opened or _OpenFile(group.schema)
        opened.writer.write_table(group, row_group_size=_GROUP_ROWS)
        if opened.sink.tell() >= _FILE_BYTES:
            yield opened.close()
            opened = None
    if opened is not None:
        yield opened.close()


class _OpenFile:
    def __init__(self, schema: pa.Schema) -> None:
        self.sink = pa.BufferOutputStream()
        self._found: list[Any] = []
        self.writer = pq.ParquetWriter(
            self.sink, schema, compression="zstd", compression_level=1, metadata_collector=self._found
        )

    def close(self) -> tuple[bytes, str]:
        self.writer.close()
        return self.sink.getvalue().to_pybytes(), json.dumps(statistics_of(self._found[0]))


def statistics_of(metadata: pq.FileMetaData) -> dict[str, Any]:
    """A file's statistics as Delta keeps them: rows, and bounds and nulls of its plain columns.
    Source: Delta transaction log protocol, "Per-file statistics"."""
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    unbounded: set[str] = set()
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            name, found = column.path_in_schema, column.statistics
            if "." in name or found is None:
                continue
            nulls[name] = nulls.get(name, 0) + found.null_count
            if found.has_min_max:
                lowest[name] = min(found.min, lowest.get(name, found.min))
                highest[name] = max(found.max, highest.get(name, found.max))
            elif found.null_count < column.num_values:
                unbounded.add(name)
    names = [n for n in lowest if n not in unbounded and _is_short(lowest[n]) and _is_short(highest[n])]
    return {
        "numRecords": metadata.num_rows,
        "minValues": {name: _as_json(lowest[name]) for name in names},
        "maxValues": {name: _as_json(highest[name]) for name in names},
        "nullCount": nulls,
    }


def _is_short(bound: Any) -> bool:
    return not isinstance(bound, bool) and (not isinstance(bound, str) or len(bound) <= _BOUND_CHARACTERS)


def _as_json(bound: Any) -> Any:
    if isinstance(bound, datetime):
        return bound.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return bound
