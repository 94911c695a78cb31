"""What a publishing task cuts into transactions, and the record that a send batch becomes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batches import BatchScope, SendBatch
from pipelines.chunks import rechunk
from pipelines.publishing import to_record


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 25))
def test_rechunk_keeps_rows_and_order_in_tables_of_one_size(lengths: list[int], rows: int) -> None:
    numbers = iter(range(1_000))
    batches = [pa.record_batch({"n": [next(numbers) for _ in range(length)]}) for length in lengths]
    batches = [batch.cast(pa.schema([("n", pa.int64())])) for batch in batches]
    tables = list(rechunk(batches, rows))
    assert [n for table in tables for n in table["n"].to_pylist()] == list(range(sum(lengths)))
    assert all(table.num_rows == rows for table in tables[:-1])
    assert all(0 < table.num_rows <= rows for table in tables)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.integers(1, 25))
def test_rechunk_does_not_depend_on_the_batches(lengths: list[int], rows: int) -> None:
    total = sum(lengths)
    whole = pa.record_batch({"n": pa.array(range(total), pa.int64())})
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    cut = [whole.slice(start, length) for start, length in zip(starts, lengths, strict=True)]
    assert [t.to_pylist() for t in rechunk(cut, rows)] == [t.to_pylist() for t in rechunk([whole], rows)]


@pytest.mark.parametrize("channel", ["email", "sms", "push"])
def test_a_record_is_a_cloud_event_in_binary_mode(channel: str) -> None:
    scope = BatchScope("triggered", 3, 1, 0, channel, "welcome", "digest-1")
    record = to_record(SendBatch("b-1", scope, 17, b"{}"), "2026-03-01T09:30:00+00:00", "urgent")
    assert (record.topic, record.key, record.value) == (f"{channel}.send-batches", b"b-1", b"{}")
    assert record.lane == "urgent"
    assert dict(record.headers) == {
        "ce_id": b"b-1",
        "ce_type": f"carillon.send-batch.{channel}.v1".encode(),
        "ce_source": b"/carillon/triggered",
        "ce_specversion": b"1.0",
        "ce_time": b"2026-03-01T09:30:00+00:00",
        "content-type": b"application/json",
        "campaign_id": b"welcome",
        "message_count": b"17",
        "lane": b"urgent",
    }
