"""Refused records: bytes as they came, headers that say where from, chunks bounded and always the same."""

from __future__ import annotations

from datetime import datetime, timezone
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import dead_letters
from pipelines.dead_letters import COLUMNS, FRAMING_BYTES, dead_letter_task, to_record
from pipelines.edges.progress import MarkerKey, Position
from pipelines.edges.publisher import PublishTarget, Record

AT = datetime(2026, 3, 1, 9, 30, 0, 123_000, tzinfo=timezone.utc)
TYPES = {"partition": pa.int32(), "offset": pa.int64(), "timestamp": pa.timestamp("us", "UTC")}
TYPES |= {"key": pa.binary(), "value": pa.binary()}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in COLUMNS])
TARGET = PublishTarget({"bootstrap.servers": "nobody.example.org:1"}, 16, 60_000, 1_000_000)
MANY = 1_000_000
KEY = MarkerKey("triggered-dead-letters", "life-1", 1, 0)


def letter(offset: int, value: bytes | None = b"noise", **changes: Any) -> dict[str, Any]:
    row = {"topic": "campaign.triggers", "partition": 1, "offset": offset, "timestamp": AT, "key": b"k"}
    return {**row, "value": value, "stage": "decode", "reason": "not_json", "detail": "why", **changes}


def test_a_dead_letter_keeps_its_bytes_and_says_where_it_came_from() -> None:
    record = to_record(letter(7, b"\xff\x00", key=b"\xfe"), "triggered", MANY)
    assert (record.topic, record.key, record.value) == ("campaign.dead-letters", b"\xfe", b"\xff\x00")
    assert dict(record.headers) == {
        "source_topic": b"campaign.triggers",
        "source_partition": b"1",
        "source_offset": b"7",
        "source_timestamp_ms": b"1772357400123",
        "stage": b"decode",
        "reason": b"not_json",
        "detail": b"why",
        "dead_lettered_by": b"triggered",
    }


def test_absent_bytes_stay_absent_and_empty_ones_empty() -> None:
    assert to_record(letter(0, None, key=None, detail=None), "p", MANY).value is None
    assert to_record(letter(0, None, key=None), "p", MANY).key is None
    assert to_record(letter(0, b"", key=b""), "p", MANY) == to_record(letter(0, b"", key=b""), "p", MANY)
    assert to_record(letter(0, b""), "p", MANY).value == b""


def size(record: Record) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


@pytest.mark.parametrize(
    ("key_bytes", "value_bytes", "left_out"),
    [
        (10, 5_000, ("value",)),
        (5_000, 10, ("key",)),
        (1_500, 2_500, ("value",)),
        (5_000, 5_000, ("key", "value")),
    ],
)
def test_what_is_too_large_for_a_letter_is_left_out_and_described(
    key_bytes: int, value_bytes: int, left_out: tuple[str, ...]
) -> None:
    row = letter(7, b"v" * value_bytes, key=b"k" * key_bytes)
    whole = to_record(row, "p", MANY)
    assert (whole.key, whole.value) == (row["key"], row["value"])
    made = to_record(row, "p", 4_096)
    assert size(made) < 4_096
    assert {"key": made.key, "value": made.value} == {
        name: None if name in left_out else row[name] for name in ("key", "value")
    }
    assert made.headers[: len(whole.headers)] == whole.headers
    assert dict(made.headers[len(whole.headers) :]) == {
        f"source_{name}_{what}": text.encode()
        for name in left_out
        for what, text in (("bytes", str(len(row[name]))), ("sha256", sha256(row[name]).hexdigest()))
    }


def test_a_letter_is_whole_for_as_long_as_it_fits() -> None:
    row = letter(7, b"v" * 5_000)
    most = size(to_record(row, "p", MANY)) + FRAMING_BYTES
    assert to_record(row, "p", most).value == row["value"]
    assert to_record(row, "p", most - 1).value is None


Published = list[tuple[Position, list[Record]]]


def record_chunks(patch: pytest.MonkeyPatch) -> Published:
    """The chunks that the task hands to the publisher, of at most 100 bytes and 5 records."""
    made: Published = []

    def note(_target: PublishTarget, _key: MarkerKey, position: Position, records: list[Record]) -> bool:
        made.append((position, list(records)))
        return True

    patch.setattr(dead_letters, "publish_chunk", note)
    patch.setattr(dead_letters, "_CHUNK_BYTES", 100)
    patch.setattr(dead_letters, "_CHUNK_RECORDS", 5)
    return made


@settings(deadline=None)  # the machine is shared
@given(sizes=st.lists(st.integers(0, 150), max_size=40), cuts=st.lists(st.integers(0, 40), max_size=5))
def test_chunks_are_bounded_and_do_not_depend_on_the_batches(sizes: list[int], cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        runs: list[Published] = []
        for bounds in ([0, len(sizes)], sorted({0, len(sizes), *(c for c in cuts if c < len(sizes))})):
            made = record_chunks(patch)
            rows = [letter(number, b"x" * size) for number, size in enumerate(sizes)]
            batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
            cut = [batch.slice(a, b - a) for a, b in pairwise(bounds)]
            list(dead_letter_task(TARGET, KEY, 4, "triggered")(iter(cut)))
            runs.append(made)
    assert runs[0] == runs[1]
    chunks = [records for _, records in runs[0]]
    assert [position for position, _ in runs[0]] == [Position(4, n) for n in range(len(chunks))]
    assert [len(record.value or b"") for records in chunks for record in records] == sizes
    for records in chunks:
        assert 0 < len(records) <= 5
        assert len(records) == 1 or sum(len(record.value or b"") for record in records) <= 100
    for records, following in pairwise(chunks):
        size = sum(len(record.value or b"") for record in (*records, following[0]))
        assert len(records) == 5 or size > 100


def test_the_account_counts_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    published = record_chunks(monkeypatch)
    rows = [letter(n, reason=reason) for n, reason in enumerate(["too_large", *["not_json"] * 6])]
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    account = [row for b in dead_letter_task(TARGET, KEY, 4, "p")(iter([batch])) for row in b.to_pylist()]
    assert account == [
        {"chunk": 0, "reason": "not_json", "count": 4},
        {"chunk": 0, "reason": "too_large", "count": 1},
        {"chunk": 1, "reason": "not_json", "count": 2},
    ]
    assert len(published) == 2
