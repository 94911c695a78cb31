"""Rows travel to their send partition as Arrow: cut into pieces by whom they are about, and put together again.

Invariant: a piece holds rows of one send partition and one bucket, both a function of the customer alone, so that what
is known of a customer in two tables meets in one bucket. A task works on a bucket at a time: its memory does not grow
with the run. Pieces are what Spark shuffles: a row of it then is some thousand recipients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.identity import crc32_of

#: Rows of one side in a bucket, on average.
_BUCKET_ROWS = 20_000

#: Grain: one row per piece. `side`: which of the tables its rows are from.
PIECE_COLUMNS = "send_partition int, bucket int, side int, rows binary"
_PIECE = pa.schema(
    [("send_partition", pa.int32()), ("bucket", pa.int32()), ("side", pa.int32()), ("rows", pa.binary())]
)


@dataclass(frozen=True)
class Spread:
    """Over how many send partitions, and how many buckets in each."""

    send_partitions: int
    buckets: int

    @staticmethod
    def of(rows: int, send_partitions: int) -> Spread:
        """For so many rows of the larger side."""
        return Spread(send_partitions, max(1, -(-rows // (send_partitions * _BUCKET_ROWS))))


def scatter(rows: pa.RecordBatch, side: int, spread: Spread) -> pa.RecordBatch:
    """The pieces of rows with a `customer_id`, in `PIECE_COLUMNS`."""
    hashes = crc32_of(rows["customer_id"])
    partitions = hashes % spread.send_partitions
    places = partitions * spread.buckets + hashes // spread.send_partitions % spread.buckets
    order = np.argsort(places, kind="stable")
    ordered, places = rows.take(pa.array(order)), places[order]
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    where = places[starts]
    columns = [
        pa.array((where // spread.buckets).astype(np.int32)),
        pa.array((where % spread.buckets).astype(np.int32)),
        pa.array(np.full(len(where), side, np.int32)),
        _cut(ordered, starts),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_PIECE)


def _cut(rows: pa.RecordBatch, starts: npt.NDArray[np.int64]) -> pa.BinaryArray:
    """The rows from each start to the next as Arrow IPC messages, one after the other in one buffer."""
    sink, offsets = pa.BufferOutputStream(), []
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        # The schema is written with the first batch; no piece needs it.
        stream.write_batch(rows.slice(0, 0))
        for start, end in pairwise([*starts.tolist(), rows.num_rows]):
            offsets.append(sink.tell())
            stream.write_batch(rows.slice(start, end - start))
        offsets.append(sink.tell())
    data = [None, pa.py_buffer(np.array(offsets, np.int32)), sink.getvalue()]
    return pa.BinaryArray.from_buffers(pa.binary(), len(starts), data)


def gather(pieces: Iterable[pa.RecordBatch], schemas: Sequence[pa.Schema]) -> Iterator[list[pa.Table]]:
    """The tables of each bucket, one of each side, in the order of `schemas`. The pieces of one send partition come
    with those of a bucket together."""
    bucket: int | None = None
    found: list[list[pa.RecordBatch]] = [[] for _ in schemas]
    for batch in pieces:
        columns = (batch["bucket"].to_pylist(), batch["side"].to_pylist(), batch["rows"])
        for its_bucket, side, rows in zip(*columns, strict=True):
            if bucket is not None and its_bucket != bucket:
                yield _tables(found, schemas)
                found = [[] for _ in schemas]
            bucket = its_bucket
            found[side].append(pa.ipc.read_record_batch(rows.as_buffer(), schemas[side]))
    if bucket is not None:
        yield _tables(found, schemas)


def _tables(found: Sequence[Sequence[pa.RecordBatch]], schemas: Sequence[pa.Schema]) -> list[pa.Table]:
    return [pa.Table.from_batches(own, schema) for own, schema in zip(found, schemas, strict=True)]
