"""A producer whose transactional id somebody initialised after it says so, whenever it learns of it."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import overload

import pytest

from conf import Settings
from pipelines.dead_letters import FRAMING_BYTES, to_record
from pipelines.edges.progress import count_partitions
from pipelines.edges.transactions import ProducerFencedError, PublishTarget, Record, TransactionalProducer
from schemas.topics import topic
from tests.builders import NOW

SMS = "sms.send-batches"


class Slowly(Sequence[Record]):
    """So slow that the broker's answer to the first record is there before the last is produced."""

    def __init__(self, records: Sequence[Record], pause_s: float) -> None:
        self._records = records
        self._pause_s = pause_s

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            yield record
            time.sleep(self._pause_s)


@pytest.mark.integration
@pytest.mark.parametrize("pause_s", [0.0, 0.5], ids=["at the commit", "while it produces"])
def test_who_was_fenced_says_so(settings: Settings, pause_s: float) -> None:
    client = settings.kafka.librdkafka()
    target = PublishTarget(client, count_partitions(client), 30_000, 9_437_184)
    transactional_id = f"test-{uuid.uuid4().hex[:8]}"
    records = [Record(SMS, None, f"{number}".encode(), ()) for number in range(10)]
    earlier = TransactionalProducer(target, transactional_id, "the earlier", "the earlier")
    earlier.commit(records)
    TransactionalProducer(target, transactional_id, "the later", "the later")
    with pytest.raises(ProducerFencedError):
        earlier.commit(Slowly(records, pause_s))


@pytest.mark.integration
def test_a_letter_that_just_fits_is_taken_by_the_client_and_by_the_broker(settings: Settings) -> None:
    client = settings.kafka.librdkafka()
    most = topic("campaign.dead-letters").max_message_bytes
    producer = TransactionalProducer(
        PublishTarget(client, count_partitions(client), 30_000, most),
        f"test-{uuid.uuid4().hex[:8]}",
        "it",
        "it",
    )
    row = {"topic": "campaign.triggers", "partition": 1, "offset": 7, "timestamp": NOW, "key": b"k"}
    row |= {"stage": "decode", "reason": "too_large", "detail": "why"}
    empty = to_record({**row, "value": b""}, "p", most)
    framed = sum(len(name) + len(text) for name, text in empty.headers) + len(b"k") + FRAMING_BYTES
    # Noise, so that compression does not make room.
    made = to_record({**row, "value": random.Random(1).randbytes(most - framed)}, "p", most)
    assert made.value is not None
    producer.commit([made])
