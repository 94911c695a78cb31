"""The account of a publishing task: what became of each message of a chunk.

Grain: one row per (chunk, campaign version, channel) for 'published', one per message for every other outcome. A chunk
that was published before has the same account again, so that a resumed unit has full books.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.campaigns import Campaign
from schemas.reasons import reason as reason_named

ACCOUNT_COLUMNS = (
    "outcome string, send_partition int, chunk int, campaign_id string, channel string, messages long, batches long, "
    "bytes long, message_id string, reason string, detail string"
)
ACCOUNT = pa.schema(
    [
        ("outcome", pa.string()),
        ("send_partition", pa.int32()),
        ("chunk", pa.int32()),
        ("campaign_id", pa.string()),
        ("channel", pa.string()),
        ("messages", pa.int64()),
        ("batches", pa.int64()),
        ("bytes", pa.int64()),
        ("message_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
#: What a correction of the ledger is made of.
FAILURE_COLUMNS = ("message_id", "outcome", "reason", "detail")
AccountRow = tuple[str, int, int, str, str, int, int, int, str | None, str | None, str | None]


def as_account(rows: Sequence[AccountRow]) -> pa.RecordBatch:
    """The rows as the task hands them to Spark."""
    columns = list(zip(*rows, strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, ACCOUNT, strict=True)],
        schema=ACCOUNT,
    )


def cancelled_account(chunk: pa.Table, index: int, campaigns: dict[str, Campaign]) -> pa.RecordBatch:
    """The account of a chunk that will never be published; `campaigns` by version."""
    reason, rows = reason_named("cancelled_run"), chunk.num_rows
    names = pa.array([campaigns[version].campaign_id for version in chunk["campaign_version"].to_pylist()])
    columns = {
        "outcome": pa.repeat(reason.decision, rows),
        "send_partition": chunk["send_partition"].combine_chunks(),
        "chunk": pa.repeat(index, rows),
        "campaign_id": names,
        "channel": chunk["channel"].combine_chunks(),
        "messages": pa.repeat(1, rows),
        "batches": pa.repeat(0, rows),
        "bytes": pa.repeat(0, rows),
        "message_id": chunk["message_id"].combine_chunks(),
        "reason": pa.repeat(reason.code, rows),
        "detail": pa.nulls(rows, pa.string()),
    }
    return pa.RecordBatch.from_arrays(
        [columns[field.name].cast(field.type) for field in ACCOUNT], schema=ACCOUNT
    )
