"""Batches: whatever the messages and limits, order and bounds hold, and Arrow's cutting shows nowhere."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from conf import ChannelLimits
from pipelines.batches import BatchScope, SendBatch, cut_batches, oversized
from pipelines.identity import uuid5

SCOPE = BatchScope("triggered", 3, 1, 0, "email", "welcome", "digest-1")
SMALLEST = ChannelLimits(messages_per_batch_max=1, batch_bytes_max=10_000)
#: What batches.py keeps free for the envelope.
ROOM = SMALLEST.batch_bytes_max - 4096

SIZES = st.lists(st.integers(0, 2_500), max_size=60)
LIMITS = st.builds(
    ChannelLimits, messages_per_batch_max=st.integers(1, 20), batch_bytes_max=st.integers(10_000, 14_000)
)


def payload(number: int, size: int) -> bytes:
    return json.dumps({"n": number, "text": "é" * size}, ensure_ascii=False, separators=(",", ":")).encode()


def payloads(sizes: list[int]) -> list[bytes]:
    return [payload(number, size) for number, size in enumerate(sizes)]


def cut(made: Any, limits: ChannelLimits, scope: BatchScope = SCOPE) -> list[SendBatch]:
    return list(cut_batches(made, scope, limits))


@settings(deadline=None)
@given(SIZES, LIMITS)
def test_order_and_limits_are_kept_and_each_batch_is_json(sizes: list[int], limits: ChannelLimits) -> None:
    made = payloads(sizes)
    batches = cut(pa.array(made, pa.large_binary()), limits)
    documents = [json.loads(batch.value) for batch in batches]
    assert [m for d in documents for m in d["messages"]] == [json.loads(one) for one in made]
    for index, (batch, document) in enumerate(zip(batches, documents, strict=True)):
        assert 1 <= len(document["messages"]) == batch.message_count <= limits.messages_per_batch_max
        assert len(batch.value) <= limits.batch_bytes_max
        # Message bytes are copied as they are.
        joined = b",".join(one for one in made if json.loads(one) in document["messages"])
        assert batch.value.endswith(b'"messages":[' + joined + b"]}")
        assert document == {
            "batch_id": uuid5("triggered", "3", "1", "0", "digest-1", "email", str(index)),
            "pipeline": "triggered",
            "unit": 3,
            "channel": "email",
            "campaign_id": "welcome",
            "campaign_version": "digest-1",
            "messages": document["messages"],
        }
        assert batch.batch_id == document["batch_id"]
    assert cut(pa.array(made, pa.large_binary()), limits) == batches


@settings(deadline=None)
@given(SIZES.filter(bool), LIMITS, st.data())
def test_batches_do_not_depend_on_how_arrow_cut_the_messages(
    sizes: list[int], limits: ChannelLimits, data: st.DataObject
) -> None:
    made = payloads(sizes)
    whole = cut(pa.array(made, pa.large_binary()), limits)
    padded = pa.array([b"before", *made, b"after"], pa.large_binary())
    assert cut(padded.slice(1, len(made)), limits) == whole
    at = data.draw(st.integers(0, len(made)))
    chunks = [padded.slice(1, at), padded.slice(1 + at, len(made) - at)]
    assert cut(pa.chunked_array(chunks, pa.large_binary()), limits) == whole
    assert cut(pa.array(made, pa.binary()), limits) == whole
    masked = pa.array([*made, None], pa.large_binary())
    assert cut(masked.filter(masked.is_valid()), limits) == whole


@settings(deadline=None)
@given(SIZES, LIMITS)
def test_batches_are_as_full_as_the_limits_allow(sizes: list[int], limits: ChannelLimits) -> None:
    batches = cut(pa.array(payloads(sizes), pa.large_binary()), limits)
    bodies = [json.loads(batch.value)["messages"] for batch in batches]
    for now, following in pairwise(bodies):
        texts = [payload(message["n"], len(message["text"])) for message in (*now, following[0])]
        is_full = len(now) == limits.messages_per_batch_max
        assert is_full or len(b",".join(texts)) > limits.batch_bytes_max - 4096


def test_no_messages_no_batches() -> None:
    assert cut(pa.array([], pa.large_binary()), SMALLEST) == []


def test_a_message_that_just_fits_and_one_that_does_not() -> None:
    fits, over = b"x" * ROOM, b"x" * (ROOM + 1)
    found = oversized(pa.array([fits, over, None, b""], pa.large_binary()), SMALLEST)
    assert found.to_pylist() == [False, True, False, False]
    (batch,) = cut(pa.array([fits], pa.large_binary()), SMALLEST)
    assert len(batch.value) <= SMALLEST.batch_bytes_max


def test_the_longest_names_fit_in_the_room_kept_for_the_envelope() -> None:
    # The pattern of campaign ids allows 63 characters, that of run ids 100.
    run = "run-" + "c" * 63 + "-" + "r" * 100
    scope = BatchScope(run, 2**62, 999, 10**6, "email", "c" * 63, "d" * 64)
    (batch,) = cut(pa.array([b"x" * ROOM], pa.large_binary()), SMALLEST, scope)
    assert len(batch.value) <= SMALLEST.batch_bytes_max


def test_whatever_tells_batches_apart_gives_another_id() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"pipeline": "other"},
        {"unit": 4},
        {"send_partition": 2},
        {"part": 1},
        {"channel": "sms"},
        {"campaign_version": "digest-2"},
    ]
    scopes = [BatchScope(**{**SCOPE.__dict__, **change}) for change in changes]
    ids = {cut(pa.array([b"{}"], pa.large_binary()), SMALLEST, scope)[0].batch_id for scope in scopes}
    assert len(ids) == len(scopes)
