"""Refused records become dead letters: the original key and value, with where they came from and why in the headers.

Invariant: the value is byte for byte what came in, or left out and described: a compressed batch within the broker's
limit can hold a record that no letter can. Published exactly once, by the same transactions as send batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from pipelines.edges.progress import MarkerKey, Position
from pipelines.edges.publisher import PublishTarget, Record, publish_chunk

TOPIC = "campaign.dead-letters"
#: The order that makes a replay cut the same chunks.
ORDER = ("topic", "partition", "offset")
COLUMNS = (*ORDER, "timestamp", "key", "value", "stage", "reason", "detail")
ACCOUNT_COLUMNS = "chunk int, reason string, count long"
#: What a letter holds beside key, value and its first headers: 100 bytes of batch and record, 10 for each header's
#: lengths, 250 of headers that describe what is left out; and some more.
FRAMING_BYTES = 1_024
#: What a letter can do without, the first that makes it fit.
_LEAVE_OUT: tuple[tuple[str, ...], ...] = ((), ("value",), ("key",), ("key", "value"))

#: One transaction holds at most this much: memory is bounded when every record is 5 MB of noise.
_CHUNK_BYTES = 16_000_000
_CHUNK_RECORDS = 1_000


def dead_letter_task(
    target: PublishTarget, key: MarkerKey, unit: int, pipeline: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for `mapInArrow`. Input: `COLUMNS`, ordered by `ORDER`, all in one Spark partition."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for index, rows in enumerate(_chunks(batches)):
            made = [to_record(row, pipeline, target.message_bytes_max) for row in rows]
            publish_chunk(target, key, Position(unit, index), made)
            reasons = [row["reason"] for row in rows]
            names = sorted(set(reasons))
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array([index] * len(names), pa.int32()),
                    pa.array(names, pa.string()),
                    pa.array([reasons.count(name) for name in names], pa.int64()),
                ],
                names=["chunk", "reason", "count"],
            )

    return run


def to_record(row: dict[str, Any], pipeline: str, bytes_max: int) -> Record:
    """The Kafka record of one dead letter, of at most `bytes_max` uncompressed, which is what librdkafka counts. A key
    or value without which it fits is left out; headers then say how long it was and its SHA-256."""
    headers = {
        "source_topic": row["topic"],
        "source_partition": str(row["partition"]),
        "source_offset": str(row["offset"]),
        "source_timestamp_ms": str(round(row["timestamp"].timestamp() * 1000)),
        "stage": row["stage"],
        "reason": row["reason"],
        "detail": row["detail"] or "",
        "dead_lettered_by": pipeline,
    }
    room = bytes_max - FRAMING_BYTES - sum(len(name) + len(text.encode()) for name, text in headers.items())
    for left_out in _LEAVE_OUT:
        kept = {name: None if name in left_out else row[name] for name in ("key", "value")}
        if sum(len(octets or b"") for octets in kept.values()) <= room:
            break
    for name in left_out:
        octets = row[name] or b""
        headers[f"source_{name}_bytes"] = str(len(octets))
        headers[f"source_{name}_sha256"] = hashlib.sha256(octets).hexdigest()
    return Record(
        TOPIC, kept["key"], kept["value"], tuple((name, text.encode()) for name, text in headers.items())
    )


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for batch in batches:
        for index in range(batch.num_rows):
            row = batch.slice(index, 1).to_pylist()[0]
            length = len(row["value"] or b"")
            if rows and (size + length > _CHUNK_BYTES or len(rows) == _CHUNK_RECORDS):
                yield rows
                rows, size = [], 0
            rows.append(row)
            size += length
    if rows:
        yield rows
