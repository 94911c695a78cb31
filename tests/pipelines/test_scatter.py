"""Pieces: every row arrives once, where its customer belongs, whatever the batches were."""

from __future__ import annotations

import zlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity import crc32_of
from pipelines.scatter import Spread, gather, scatter

SENT = pa.schema([("customer_id", pa.string()), ("message_id", pa.string())])
CUSTOMERS = pa.schema(
    [("customer_id", pa.string()), ("orders", pa.list_(pa.struct([("item", pa.string())])))]
)
IDS = st.lists(st.text(max_size=12), max_size=60, unique=True)


Row = dict[str, Any]


def batches(rows: list[Row], schema: pa.Schema, size: int) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = pa.Table.from_pylist(rows, schema).to_batches(max_chunksize=size)
    return found


def test_a_hash_is_that_of_the_contract() -> None:
    texts = ["", "c-1", "é", "🙂\u0000"]
    assert crc32_of(pa.array(texts)).tolist() == [zlib.crc32(text.encode()) for text in texts]


def test_buckets_grow_with_the_rows_and_not_with_the_partitions() -> None:
    assert [Spread.of(rows, 2).buckets for rows in (0, 1, 40_000, 40_001, 10_000_000)] == [1, 1, 1, 2, 250]
    assert Spread.of(1_000_000, 50).buckets == 1


@given(IDS, st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.integers(1, 7))
def test_every_row_arrives_once_and_both_sides_of_a_customer_in_one_bucket(
    ids: list[str], send_partitions: int, buckets: int, size: int, pieces_at_once: int
) -> None:
    spread = Spread(send_partitions, buckets)
    sent: list[Row] = [{"customer_id": one, "message_id": f"m-{one}"} for one in ids[::2]]
    customers: list[Row] = [{"customer_id": one, "orders": [{"item": one}] * (len(one) % 3)} for one in ids]
    scattered = [
        scatter(batch, side, spread)
        for side, rows, schema in ((0, sent, SENT), (1, customers, CUSTOMERS))
        for batch in batches(rows, schema, size)
    ]
    arrived: list[Row] = []
    for partition, pieces in shuffled(scattered, pieces_at_once).items():
        for first, second in gather(pieces, (SENT, CUSTOMERS)):
            theirs = second["customer_id"].to_pylist()
            assert set(first["customer_id"].to_pylist()) <= set(theirs)
            assert {zlib.crc32(one.encode()) % send_partitions for one in theirs} == {partition}
            arrived += first.to_pylist() + second.to_pylist()
    assert sorted(map(str, arrived)) == sorted(map(str, sent + customers))


def shuffled(pieces: list[pa.RecordBatch], at_once: int) -> dict[int, list[pa.RecordBatch]]:
    """As Spark hands them to the tasks: by send partition, sorted by bucket, a few at a time."""
    if not pieces:
        return {}
    rows = pa.Table.from_batches(pieces).sort_by("bucket")
    return {
        partition: rows.filter(pc.equal(rows["send_partition"], partition)).to_batches(max_chunksize=at_once)
        for partition in pc.unique(rows["send_partition"]).to_pylist()
    }


def test_the_tables_of_a_bucket_come_together_once() -> None:
    rows = [{"customer_id": f"c-{number}", "message_id": f"m-{number}"} for number in range(100)]
    pieces = [scatter(batch, 0, Spread(1, 3)) for batch in batches(rows, SENT, 10)]
    found = [table.num_rows for (table,) in gather(shuffled(pieces, 2)[0], (SENT,))]
    assert len(found) == 3
    assert sum(found) == 100
