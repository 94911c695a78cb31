"""The recipients of a run come in an order that the manifest and the ledger alone decide, each with his customer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines import scatter
from pipelines.edges.scans import TableScan
from pipelines.edges.tables import Tables
from pipelines.publishing import PUBLISHED_COLUMNS
from pipelines.recipients import Recipients
from schemas.tables import table
from tests.builders import audience_row, ledger_row, scheduled_campaign

LEDGER, AUDIENCE = table("ledger"), table("audience")
NAMES = [f"c-{number}" for number in range(200)]
SEND_PARTITIONS = 2


def decided(name: str, **keys: Any) -> dict[str, Any]:
    shard = zlib.crc32(name.encode()) % SEND_PARTITIONS
    return ledger_row(
        customer_id=name,
        message_id=f"m-{NAMES.index(name) * 7919 % 200:03}",
        pipeline="run-letter-1",
        send_partition=shard,
        **keys,
    )


def append(settings: Settings, where: str, rows: Sequence[dict[str, Any]]) -> None:
    declared = table(where)
    Tables(settings.lake).append(declared, pa.Table.from_pylist(list(rows), declared.arrow_schema()))


def published(spark: SparkSession, settings: Settings) -> list[tuple[int, str, str | None]]:
    """(send partition, message, the customer's phone) in the order of publishing, by partition."""

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [
                {"send_partition": row["send_partition"], "message": row["message_id"], **row["customer"]}
                for row in batch.to_pylist()
            ]
            yield pa.RecordBatch.from_pylist(rows, TOLD)

    where = (("pipeline", "run-letter-1"), ("stage", "decide"), ("decision", "sent"))
    recipients = Recipients(
        TableScan(settings.lake, LEDGER, PUBLISHED_COLUMNS, where),
        TableScan(settings.lake, AUDIENCE, ("customer_id", "phone")),
        version=Tables(settings.lake).version(AUDIENCE),
    )
    pieces = recipients.pieces(spark, Tables(settings.lake), SEND_PARTITIONS, len(NAMES))
    task = recipients.arranged(tell, {"v": scheduled_campaign()})
    told = pieces.mapInArrow(task, "send_partition int, message string, phone string").collect()
    return [
        (row.send_partition, row.message, row.phone)
        for row in sorted(told, key=lambda row: row.send_partition)
    ]


TOLD = pa.schema([("send_partition", pa.int32()), ("message", pa.string()), ("phone", pa.string())])


def test_files_and_their_order_change_nothing(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scatter, "_BUCKET_ROWS", 20)
    append(
        settings, "audience", [audience_row(name, phone=f"+1555010{n:04}") for n, name in enumerate(NAMES)]
    )
    rows = [decided(name) for name in NAMES]
    others = [decided("c-1", decision="excluded"), decided("c-2", stage="render", decision="failed")]
    append(settings, "ledger", [*rows, *others])
    first = published(spark, settings)
    phones = {decided(name)["message_id"]: f"+1555010{n:04}" for n, name in enumerate(NAMES)}
    assert {message: phone for _, message, phone in first} == phones
    assert len(first) == len(NAMES)
    # Several buckets, each in the order of its ids.
    assert first != sorted(first)

    opened = Tables(settings.lake).newest(LEDGER)
    assert opened is not None
    opened.delete()
    for part in (rows[150:], rows[:20][::-1], rows[20:150]):
        append(settings, "ledger", part)
    assert published(spark, settings) == first
