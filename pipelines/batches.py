"""Rendered messages become send batches: JSON records of at most N messages and M bytes.

Invariant: the batches depend on the order and content of the messages alone, never on how Arrow cut them, so a
resumed run makes the same batches again. Message bytes are copied, never parsed or escaped again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conf import ChannelLimits
from pipelines.identity import uuid5

#: Room for Kafka's own framing and the headers of a record, below the topic's max.message.bytes.
_SEPARATOR = b","
_EMPTY = pa.scalar(b"", pa.large_binary())
_COMMA = pa.scalar(_SEPARATOR, pa.large_binary())
_SUFFIX = b"]}"


@dataclass(frozen=True)
class BatchScope:
    """What all messages of a batch share. `part` tells apart the transactions of one unit and send partition."""

    pipeline: str
    unit: int
    send_partition: int
    part: int
    channel: str
    campaign_id: str
    campaign_version: str


@dataclass(frozen=True)
class SendBatch:
    """One Kafka record of a send-batch topic: value is JSON in UTF-8."""

    batch_id: str
    scope: BatchScope
    message_count: int
    value: bytes


def oversized(payloads: pa.LargeBinaryArray, limits: ChannelLimits) -> pa.BooleanArray:
    """Which messages do not fit in a batch of their own (null payloads: false)."""
    room = limits.batch_bytes_max - _envelope_bytes_max()
    return pc.fill_null(pc.greater(pc.binary_length(payloads), room), False)


def cut_batches(
    payloads: pa.LargeBinaryArray, scope: BatchScope, limits: ChannelLimits
) -> Iterator[SendBatch]:
    """Greedy, in order. `payloads`: one JSON object each, no nulls, none oversized."""
    if len(payloads) == 0:
        return
    separated = pc.binary_join_element_wise(payloads.cast(pa.large_binary()), _EMPTY, _COMMA)
    if isinstance(separated, pa.ChunkedArray):
        separated = separated.combine_chunks()
    _, offsets_buffer, data = separated.buffers()
    ends = np.frombuffer(offsets_buffer, dtype=np.int64)[
        separated.offset : separated.offset + len(separated) + 1
    ]
    room = limits.batch_bytes_max - _envelope_bytes_max()
    view = memoryview(data)
    start, index = 0, 0
    while start < len(payloads):
        # The last message whose end is within the room; the separator after it is dropped, hence + 1.
        stop = int(np.searchsorted(ends, ends[start] + room + len(_SEPARATOR), side="right")) - 1
        stop = max(start + 1, min(stop, start + limits.messages_per_batch_max))
        yield _make_batch(scope, index, stop - start, view[ends[start] : ends[stop] - len(_SEPARATOR)])
        start, index = stop, index + 1


def _make_batch(scope: BatchScope, index: int, count: int, messages: memoryview) -> SendBatch:
    batch_id = uuid5(
        scope.pipeline,
        str(scope.unit),
        str(scope.send_partition),
        str(scope.part),
        scope.campaign_version,
        scope.channel,
        str(index),
    )
    envelope: dict[str, Any] = {
        "batch_id": batch_id,
        "pipeline": scope.pipeline,
        "unit": scope.unit,
        "channel": scope.channel,
        "campaign_id": scope.campaign_id,
        "campaign_version": scope.campaign_version,
    }
    head = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()[:-1] + b',"messages":['
    return SendBatch(batch_id, scope, count, b"".join((head, messages, _SUFFIX)))


def _envelope_bytes_max() -> int:
    """An upper bound of everything in a batch but its messages: ids are at most 256 characters of at most 4 bytes
    (see `pipelines.decode`), escaped at most sixfold."""
    return 4096
