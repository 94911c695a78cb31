"""Publishing exactly once, on a real broker: replays, kills in mid-transaction, zombies, younger drivers."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from conf import Settings
from pipelines.edges import progress
from pipelines.edges import publisher as publishing
from pipelines.edges.progress import (
    NOTHING,
    TOPIC,
    FencedError,
    ForeignMarkerError,
    MarkerKey,
    Position,
    ProgressUnreadableError,
    count_partitions,
    read_position,
)
from pipelines.edges.publisher import PartitionPublisher, PublishError, PublishTarget, Record, publish_chunk
from pipelines.errors import ServerError
from tests.topics import read_committed

SMS = "sms.send-batches"


@pytest.fixture
def target(settings: Settings) -> PublishTarget:
    client = settings.kafka.librdkafka()
    return PublishTarget(client, count_partitions(client), 30_000, 9_437_184)


@pytest.fixture
def key() -> Iterator[MarkerKey]:
    """A pipeline of the test's own, so that tests need no fresh topics."""
    made = MarkerKey(f"test-{uuid.uuid4().hex[:8]}", "life-1", 1, 0)
    yield made
    for other in [one for one in publishing._alive if one.pipeline == made.pipeline]:
        del publishing._alive[other]


def chunk(key: MarkerKey, *names: str) -> list[Record]:
    return [Record(SMS, f"{key.pipeline}/{name}".encode(), name.encode(), (("h", b"1"),)) for name in names]


def seen(target: PublishTarget, key: MarkerKey) -> Counter[str]:
    """What a committed reader sees of the pipeline's batches."""
    own = f"{key.pipeline}/".encode()
    records = read_committed(target.client, SMS)
    return Counter(
        (record.value() or b"").decode() for record in records if (record.key() or b"").startswith(own)
    )


def marker(target: PublishTarget, key: MarkerKey) -> Position:
    return read_position(target.client, key, target.progress_partitions, 40.0)


def test_the_same_chunk_twice_is_published_once(target: PublishTarget, key: MarkerKey) -> None:
    assert marker(target, key) == NOTHING
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a", "b"))
    assert not publish_chunk(target, key, Position(0, 0), chunk(key, "a", "b"))
    assert publish_chunk(target, key, Position(0, 1), chunk(key, "c"))
    # Another worker, which knows nothing: it reads the marker.
    publishing._alive.clear()
    assert not publish_chunk(target, key, Position(0, 1), chunk(key, "c"))
    assert publish_chunk(target, key, Position(1, 0), [])
    assert seen(target, key) == Counter(["a", "b", "c"])
    assert marker(target, key) == Position(1, 0)


def test_each_lane_has_partitions_of_its_own(target: PublishTarget, key: MarkerKey) -> None:
    lanes = {f"{key.pipeline}/{number}": "urgent" if number % 3 == 0 else "bulk" for number in range(60)}
    records = [Record(SMS, name.encode(), b"{}", (), lane=lane) for name, lane in lanes.items()]
    publish_chunk(target, key, Position(0, 0), records)
    places = {(r.key() or b"").decode(): r.partition() for r in read_committed(target.client, SMS)}
    assert {places[name] for name, lane in lanes.items() if lane == "urgent"} == {0}
    assert {places[name] for name, lane in lanes.items() if lane == "bulk"} == {1, 2, 3}


def test_a_chunk_without_records_is_marked_too(target: PublishTarget, key: MarkerKey) -> None:
    assert publish_chunk(target, key, Position(0, 0), [])
    assert marker(target, key) == Position(0, 0)


def test_a_producer_killed_in_mid_transaction_leaves_nothing_and_the_next_publishes_once(
    target: PublishTarget, key: MarkerKey
) -> None:
    records = chunk(key, *[str(number) for number in range(50)])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pipelines.edges.dying_producer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(pickle.dumps((target, key, Position(0, 0), records)))
        process.stdin.close()
        assert process.stdout.readline() == b"open\n"
    finally:
        process.kill()
        process.wait()
    # Initialising the same id aborts what the dead one left open, long before the transaction's time-out.
    assert publish_chunk(target, key, Position(0, 0), records)
    assert seen(target, key) == Counter([str(number) for number in range(50)])
    assert marker(target, key) == Position(0, 0)


def test_a_zombie_of_the_same_driver_is_replaced_once_and_reads_what_was_done(
    target: PublishTarget, key: MarkerKey
) -> None:
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    # Spark runs the task's next attempt in another worker, while this one lives on.
    elsewhere = PartitionPublisher(target, key)
    assert elsewhere.position == Position(0, 0)
    assert elsewhere.publish(Position(0, 1), chunk(key, "b"))
    assert not publish_chunk(target, key, Position(0, 1), chunk(key, "b"))
    assert publish_chunk(target, key, Position(0, 2), chunk(key, "c"))
    # Now the other one is the zombie: it publishes nothing.
    with pytest.raises(FencedError):
        elsewhere.publish(Position(0, 3), chunk(key, "zombie"))
    assert seen(target, key) == Counter(["a", "b", "c"])


def test_an_older_driver_is_stopped_by_the_marker_of_a_younger_one(
    target: PublishTarget, key: MarkerKey
) -> None:
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    younger = replace(key, term=2)
    assert publish_chunk(target, younger, Position(0, 1), chunk(key, "b"))
    with pytest.raises(FencedError, match=f"pipeline '{key.pipeline}' was taken over"):
        publish_chunk(target, key, Position(0, 1), chunk(key, "b"))
    with pytest.raises(FencedError):
        publish_chunk(target, key, Position(0, 2), chunk(key, "c"))
    # The younger one's producer was fenced by these attempts; it goes on all the same.
    assert publish_chunk(target, younger, Position(0, 2), chunk(key, "c"))
    assert seen(target, key) == Counter(["a", "b", "c"])


def test_a_driver_that_an_older_one_fences_before_its_first_transaction_goes_on(
    target: PublishTarget, key: MarkerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, younger = [key], replace(key, term=2)
    publish = PartitionPublisher.publish

    def fenced_first(self: PartitionPublisher, position: Position, records: list[Record]) -> bool:
        if older:  # it starts at the same time, and initialises the id just after us
            PartitionPublisher(target, older.pop())
        return publish(self, position, records)

    monkeypatch.setattr(PartitionPublisher, "publish", fenced_first)
    assert publish_chunk(target, younger, Position(0, 0), chunk(key, "a"))
    with pytest.raises(FencedError):
        publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    assert seen(target, key) == Counter(["a"])


def test_the_marker_of_another_life_of_the_pipeline_does_not_count(
    target: PublishTarget, key: MarkerKey
) -> None:
    assert publish_chunk(target, key, Position(7, 0), chunk(key, "a"))
    reborn = replace(key, incarnation="life-2", term=2)
    assert marker(target, reborn) == NOTHING
    assert publish_chunk(target, reborn, Position(0, 0), chunk(key, "b"))
    assert marker(target, reborn) == Position(0, 0)
    assert seen(target, key) == Counter(["a", "b"])


def test_neighbours_in_one_partition_of_the_markers_do_not_mix(target: PublishTarget, key: MarkerKey) -> None:
    neighbour = replace(key, send_partition=target.progress_partitions)
    assert neighbour.partition(target.progress_partitions) == key.partition(target.progress_partitions)
    assert publish_chunk(target, key, Position(3, 0), chunk(key, "a"))
    assert publish_chunk(target, neighbour, Position(1, 0), chunk(key, "b"))
    assert (marker(target, key), marker(target, neighbour)) == (Position(3, 0), Position(1, 0))


def test_a_record_that_the_broker_refuses_publishes_nothing_of_its_chunk(
    target: PublishTarget, key: MarkerKey
) -> None:
    # The client's limit is that of the largest topic; this topic's own is the broker's default of 1 MiB.
    large = Record(SMS, f"{key.pipeline}/large".encode(), random.Random(1).randbytes(2_000_000), ())
    with pytest.raises(PublishError, match=f"{key.pipeline}/0"):
        publish_chunk(target, key, Position(0, 0), [*chunk(key, "a"), large])
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "b"))
    assert seen(target, key) == Counter(["b"])


def test_a_record_over_the_clients_limit_publishes_nothing_of_its_chunk(
    target: PublishTarget, key: MarkerKey
) -> None:
    large = Record(SMS, b"k", b"x" * 2_000_000, ())
    with pytest.raises(PublishError, match="produce"):
        publish_chunk(
            replace(target, message_bytes_max=1_000_000), key, Position(0, 0), [*chunk(key, "a"), large]
        )
    assert marker(target, key) == NOTHING
    assert seen(target, key) == Counter()


def test_a_reader_waits_for_a_neighbours_open_transaction_but_not_for_ever(
    target: PublishTarget, key: MarkerKey
) -> None:
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    holder = Producer({**target.client, "transactional.id": f"{key.pipeline}-holder"})
    holder.init_transactions(30.0)
    holder.begin_transaction()
    holder.produce(TOPIC, key=b"neighbour", value=b"{}", partition=key.partition(target.progress_partitions))
    holder.flush(30.0)
    with pytest.raises(ProgressUnreadableError, match="could not be read to their end"):
        read_position(target.client, key, target.progress_partitions, 1.0)
    holder.abort_transaction(30.0)
    assert marker(target, key) == Position(0, 0)


def test_a_broker_that_does_not_answer_is_named() -> None:
    nobody: dict[str, Any] = {"bootstrap.servers": "127.0.0.1:9", "log_level": "0"}
    with pytest.raises(ServerError, match=r"no answer from Kafka at 127\.0\.0\.1:9"):
        count_partitions(nobody, 0.5)


def test_a_progress_topic_that_grew_is_refused(
    target: PublishTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A marker's partition follows from their number: with another one it would not be found."""
    monkeypatch.setattr(progress, "_declared_partitions", lambda: target.progress_partitions - 1)
    with pytest.raises(ProgressUnreadableError, match=r"has 16 partitions; expected 15"):
        count_partitions(target.client)


def test_a_broker_that_does_not_lead_yet_is_asked_again(
    target: PublishTarget, key: MarkerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    answers = [KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION), KafkaError(KafkaError._TRANSPORT)]

    class Starting(Consumer):  # type: ignore[misc] # confluent_kafka has no type hints
        def get_watermark_offsets(self, *arguments: Any, **options: Any) -> Any:
            if answers:
                raise KafkaException(answers.pop())
            return super().get_watermark_offsets(*arguments, **options)

    monkeypatch.setattr(progress, "Consumer", Starting)
    assert marker(target, key) == Position(0, 0)
    assert answers == []


def test_the_progress_of_another_lake_is_nobodys_to_go_on_from(target: PublishTarget, key: MarkerKey) -> None:
    ours = replace(key, lake="lake-1")
    assert publish_chunk(target, ours, Position(0, 0), [])
    with pytest.raises(ForeignMarkerError, match=r"from another lake.*Nothing was published"):
        publish_chunk(target, replace(key, lake="lake-2", term=9), Position(0, 0), [])
    assert publish_chunk(target, ours, Position(0, 1), [])
