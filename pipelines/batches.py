"""Rendered messages become send batches: JSON records of at most N messages and M bytes.

Invariant: the batches depend on the order and content of the messages alone, never on how Arrow cut them, so a
resumed run makes the same batches again. Message bytes are copied, never parsed or escaped again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conf import ChannelLimits
from pipelines.identity import uuid5

#: Room for Kafka's own framing and the headers of a record, below the topic's max.message.bytes.
_SEPARATOR = b","
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
    whole = payloads.cast(pa.large_binary())
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    _, offsets, data = whole.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[whole.offset : whole.offset + len(whole) + 1]
    # Where each message ends when a separator stands after each.
    ends = bounds + np.arange(len(bounds)) * len(_SEPARATOR)
    room = limits.batch_bytes_max - _envelope_bytes_max()
    view, places = memoryview(data), bounds.tolist()
    start, index = 0, 0
    while start < len(whole):
        # The last message whose end is within the room; the separator after it is dropped, hence + 1.
        stop = int(np.searchsorted(ends, ends[start] + room + len(_SEPARATOR), side="right")) - 1
        stop = max(start + 1, min(stop, start + limits.messages_per_batch_max))
        messages = [view[first:last] for first, last in pairwise(places[start : stop + 1])]
        yield _make_batch(scope, index, messages)
        start, index = stop, index + 1


def _make_batch(scope: BatchScope, index: int, messages: list[memoryview]) -> SendBatch:
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
    # One copy of each message, into the record.
    pieces: list[bytes | memoryview] = [*messages]
    pieces[0] = head + pieces[0]
    pieces[-1] = b"".join((pieces[-1], _SUFFIX))
    return SendBatch(batch_id, scope, len(messages), _SEPARATOR.join(pieces))


def _envelope_bytes_max() -> int:
    """An upper bound of everything in a batch but its messages: ids are at most 256 characters of at most 4 bytes
    (see `pipelines.decode`), escaped at most sixfold."""
    return 4096
