"""What the driver remembers of the lake between epochs, so that an epoch reads only what is new.

Invariant: a mirror holds what its table held at the version that it was asked for, or a later one; each file is read
once. The tables it is for are small (changes of consent, suppressions, cancellations), or one narrow column of a large
one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.edges.tables import Tables
from schemas.tables import Table, conformed, table

if TYPE_CHECKING:
    from deltalake import DeltaTable

Held = TypeVar("Held")
Made = TypeVar("Made")
#: A file of that size, such as an epoch leaves, is fetched by one request.
_SMALL_BYTES = 1 << 20
#: So many small files are fetched at once, since they are waited for, and so many large ones, since they fill memory.
_SMALL_FETCHES, _LARGE_FETCHES = 16, 4


class TableFiles(Generic[Held]):
    """Something that is made of each file of a table, once."""

    def __init__(
        self, tables: Tables, declared: Table, columns: list[str], make: Callable[[pa.Table], Held]
    ) -> None:
        self._tables = tables
        self._table = declared
        # delta-rs, which rewrites files, writes other types of text than Spark.
        self._schema = declared.read_schema(columns)
        self._make = make
        self._opened: DeltaTable | None = None
        self._sizes: dict[str, int] = {}
        self.held: dict[str, Held] = {}

    def refresh(
        self, is_asked: Callable[[pa.Table], pa.Array] | None = None, at_least: int | None = None
    ) -> None:
        """Learn of new files, forget those that are gone: of the newest version, or of one that is `at_least` this one.
        A file that is not asked for, by what Delta's log says of it, is not read."""
        newest, known = self._tables.newest, self._tables.at_least
        opened = newest(self._table) if at_least is None else known(self._table, at_least)
        self._opened = opened
        if opened is None:
            self.held.clear()
            return
        files = pa.table(opened.get_add_actions(flatten=True))
        asked = files if is_asked is None else files.filter(is_asked(files))
        names = asked["path"].to_pylist()
        self._sizes = dict(zip(names, asked["size_bytes"].to_pylist(), strict=True))
        self.held = {name: self.held[name] for name in names if name in self.held}
        new = [name for name in names if name not in self.held]
        self.held |= self._fetch(new, self._schema, self._make)

    def read(self, names: list[str], columns: list[str], make: Callable[[pa.Table], Made]) -> list[Made]:
        """What is made of these columns of some of the files that are held."""
        return list(self._fetch(names, self._table.read_schema(columns), make).values())

    def _fetch(
        self, names: list[str], schema: pa.Schema, make: Callable[[pa.Table], Made]
    ) -> dict[str, Made]:
        if not names:
            return {}
        assert self._opened is not None  # its files were named
        system = _filesystem(self._opened, {name: self._sizes[name] for name in names})
        small = [name for name in names if self._sizes[name] <= _SMALL_BYTES]
        large = [name for name in names if self._sizes[name] > _SMALL_BYTES]
        made: dict[str, Made] = {}
        with self._tables.explained(self._table):
            for some, fetches in ((small, _SMALL_FETCHES), (large, _LARGE_FETCHES)):
                with ThreadPoolExecutor(fetches) as pool:
                    made |= zip(
                        some, pool.map(lambda name: make(_read(system, name, schema)), some), strict=True
                    )
        return made


def _filesystem(opened: DeltaTable, sizes: dict[str, int]) -> Any:
    """Whoever does not know the size asks for it by a request of its own, for which all threads wait."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return PyFileSystem(DeltaStorageHandler.from_table(opened._table, None, sizes))


def _read(files: Any, name: str, schema: pa.Schema) -> pa.Table:
    with files.open_input_file(name) as file:
        # By default each column is a request of its own. Of a large file those that lie together are one.
        source = pa.BufferReader(file.read()) if file.size() <= _SMALL_BYTES else file
        # Columns that the file has not are left out; `read_table` would refuse it.
        return conformed(pq.ParquetFile(source, pre_buffer=True).read(columns=schema.names), schema)


class Mirror:
    """The rows of a small table without partitions."""

    def __init__(self, tables: Tables, declared: Table) -> None:
        self._schema = declared.arrow_schema()
        self._files = TableFiles(
            tables, declared, list(declared.column_names), lambda rows: rows.cast(self._schema)
        )

    def rows(self, at_least: int | None = None) -> pa.Table:
        """The table's newest rows, or those of a version that is `at_least` this one; none when it is not there."""
        self._files.refresh(at_least=at_least)
        return pa.concat_tables([self._schema.empty_table(), *self._files.held.values()])


class SeenMessages:
    """The message ids of every trigger and event that was ever decided, as 16 bytes each: ten million are 160 MB."""

    def __init__(self, tables: Tables) -> None:
        self._files = TableFiles(tables, table("ledger"), ["message_id", "source"], _fingerprints)
        self._merged: tuple[frozenset[str], np.ndarray] = (frozenset(), np.empty(0, _ID))

    def among(self, message_ids: pa.Array) -> pa.Array:
        """For each id whether the newest ledger has it."""
        self._files.refresh(is_of_triggers)
        held = self._files.held
        names, merged = self._merged
        if not names <= held.keys():  # files were rewritten
            names, merged = frozenset(), np.empty(0, _ID)
        recent = [found for name, found in held.items() if name not in names]
        if len(recent) > _MERGED_AT:
            merged = np.sort(np.concatenate([merged, *recent]))
            names, recent = frozenset(held), []
        self._merged = (names, merged)
        asked = _as_ids(message_ids)
        found = np.zeros(len(asked), bool)
        for known in (merged, *recent):
            places = np.searchsorted(known, asked)
            found |= np.append(known, _BEYOND)[places] == asked
        return pa.array(found)


#: Big-endian halves of a UUID, compared in this order.
_ID = np.dtype([("high", ">u8"), ("low", ">u8")])
#: Behind the last known id; a null is read as zeros, so that it equals neither this nor any UUID.
_BEYOND = np.array([(2**64 - 1, 2**64 - 1)], _ID)
#: Looking into each file's ids costs microseconds, sorting all anew milliseconds.
_MERGED_AT = 64


def is_of_triggers(files: pa.Table) -> pa.Array:
    """Of each file whether it can hold anything but a run's rows. The files of runs hold nothing else, so that a
    million rows are left out at a time. `files`: the add actions of the log, flat."""
    if "min.source" not in files.column_names:
        return pa.repeat(True, files.num_rows)
    is_run = [pc.fill_null(pc.equal(files[name], "run"), False) for name in ("min.source", "max.source")]
    return pc.invert(pc.and_(*is_run))


def _fingerprints(rows: pa.Table) -> np.ndarray:
    known = rows.filter(pc.and_(pc.not_equal(rows["source"], "run"), pc.is_valid(rows["message_id"])))
    return np.sort(_as_ids(known["message_id"].combine_chunks()))


def _as_ids(message_ids: pa.Array) -> np.ndarray:
    """UUIDs as text in numbers."""
    plain = pc.fill_null(pc.replace_substring(message_ids, "-", ""), "0" * 32)
    return np.frombuffer(bytes.fromhex("".join(plain.to_pylist())), _ID)
