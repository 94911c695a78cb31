"""The reference sender against the real broker: everything committed, once, and a clean stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from conf import Settings, load
from pipelines.lanes import lane_partition
from schemas.messages import DeliveryEvent, Message
from senders.consumer import Until, consume
from senders.decoding import RawRecord, ReceivedBatch, is_urgent
from senders.errors import SenderError
from senders.receiving import Undeliverable
from senders.reference import run
from tests.builders import as_json
from tests.senders.batches import record
from tests.topics import read_committed

pytestmark = pytest.mark.usefixtures("fresh_topics")

UNTIL_IDLE = Until(idle_s=0.5)


def publish(settings: Settings, records: list[RawRecord], *, commit: bool = True) -> None:
    """One transaction, as the jobs write; each record in a partition of its lane."""
    producer = Producer({**settings.kafka.librdkafka(), "transactional.id": "test", "linger.ms": 5})
    producer.init_transactions(20)
    producer.begin_transaction()
    for each in records:
        where = lane_partition("urgent" if is_urgent(each) else "bulk", each.key or b"", 4)
        producer.produce(each.topic, each.value, each.key, where, headers=list(each.headers))
    producer.flush(20)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def totals(summary: dict[str, object]) -> tuple[object, ...]:
    return tuple(summary[name] for name in ("received", "duplicates", "undeliverable", "malformed"))


def test_what_was_committed_arrives_once_over_several_starts(settings: Settings, tmp_path: Path) -> None:
    publish(settings, [record("email", ["a-1", "a-2"]), record("sms", ["s-1"]), record("push", ["p-1"])])
    publish(settings, [record("email", ["never-1"])], commit=False)
    publish(settings, [record("email", ["a-2", "a-3"]), record("sms", ["s-9"], value=b"{")])
    first = run(settings, tmp_path, until=UNTIL_IDLE, group="several-starts")
    assert totals(first) == (5, 1, 0, 1)
    assert sorted(path.stem for path in tmp_path.glob("email/*/*.eml")) == ["a-1", "a-2", "a-3"]
    assert json.loads((tmp_path / "received.json").read_text("utf-8")) == first

    publish(settings, [record("push", ["p-1", "p-2"])])
    second = run(settings, tmp_path, until=UNTIL_IDLE, group="several-starts")
    assert totals(second) == (6, 2, 0, 1)
    # Kafka forgot the group's offsets: everything is read again, nothing is delivered or counted again.
    assert run(settings, tmp_path, until=UNTIL_IDLE, group="another-group") == second


def test_an_urgent_message_does_not_wait_for_the_newsletters_before_it(
    settings: Settings, tmp_path: Path
) -> None:
    count = 4_000
    padding = {"html": "x" * 20_000}
    for start in range(0, count, 1_000):
        names = [f"n-{number}" for number in range(start, start + 1_000)]
        publish(settings, [record("email", [name], content=padding) for name in names])
    publish(settings, [record("email", ["urgent"], headers={"lane": "urgent"})])
    delivered: list[str] = []

    class Noting:
        def deliver(self, _: ReceivedBatch, messages: Sequence[Message]) -> list[Undeliverable]:
            delivered.extend(message.message_id for message in messages)
            return []

        def flush(self) -> dict[str, int]:
            return {}

        def rewind(self, _: object) -> None:
            pass

        def close(self) -> None:
            pass

    consume(settings, tmp_path, Noting(), until=Until(count=count + 1), group="lanes")
    assert len(delivered) == count + 1
    # 80 MB of newsletters were written before it; what was fetched already is all that it waits for.
    assert delivered.index("urgent") < count / 2


def test_until_count(settings: Settings, tmp_path: Path) -> None:
    publish(settings, [record("sms", [f"s-{number}"]) for number in range(10)])
    started = time.monotonic()
    summary = run(settings, tmp_path, until=Until(count=10), group="until-count")
    assert totals(summary) == (10, 0, 0, 0)
    assert time.monotonic() - started < 10


def test_told_that_no_more_will_come_it_asks_the_broker_for_the_end(
    settings: Settings, tmp_path: Path
) -> None:
    """What was committed a moment before it was told, and not fetched yet, is not left behind."""
    publish(settings, [record("sms", ["s-1"])])

    class Ended(threading.Event):
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            if self.asked == 1:
                publish(settings, [record("email", ["late-1"]), record("push", ["late-2"])])
                publish(settings, [record("email", ["never-1"])], commit=False)
            return True

    ended = Ended()
    summary = run(settings, tmp_path, until=Until(ended=ended), group="ended")
    assert totals(summary) == (3, 0, 0, 0)
    assert ended.asked > 1


def test_its_input_ends_and_so_does_it(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    publish(settings, [record("sms", ["s-1", "s-2"])])
    command = [sys.executable, "-m", "senders.reference", "--out", str(tmp_path), "--group", "closed"]
    process = subprocess.Popen(
        [*command, "--until-closed"], env={**os.environ, **environment}, stdin=subprocess.PIPE
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=4)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads((tmp_path / "received.json").read_text("utf-8"))["received"] == 2


def test_sigterm_ends_it_with_a_summary(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    publish(settings, [record("sms", ["s-1"])])
    command = [sys.executable, "-m", "senders.reference", "--out", str(tmp_path), "--group", "sigterm"]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 20
        while not (lines := tmp_path / "sms.jsonl").exists() or not lines.read_text("utf-8"):
            assert time.monotonic() < deadline, "no message arrived"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1].split() == ["all", "1", "0", "0", "0", "0"]
    assert (tmp_path / "received.json").exists()


def test_killed_at_any_moment_it_delivers_each_message_once(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    ids = [f"s-{number:05d}" for number in range(20_000)]
    publish(
        settings, [record("sms", ids[start : start + 5], offset=start) for start in range(0, len(ids), 5)]
    )
    lines = tmp_path / "sms.jsonl"
    for life in range(3):
        size = lines.stat().st_size if lines.exists() else 0
        # A group of its own reads all again, as after a lost offset commit, and waits for no dead member.
        command = [
            sys.executable,
            "-m",
            "senders.reference",
            "--out",
            str(tmp_path),
            "--group",
            f"life-{life}",
        ]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and (not lines.exists() or lines.stat().st_size <= size):
            time.sleep(0.001)
        process.kill()
        process.wait()
    summary = run(settings, tmp_path, until=UNTIL_IDLE, group="last-life")
    assert totals(summary) == (len(ids), 0, 0, 0)
    delivered = [json.loads(line)["message_id"] for line in lines.read_text("utf-8").splitlines()]
    assert sorted(delivered) == ids


def test_a_broker_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senders.consumer.BROKER_TIMEOUT_S", 1.0)
    nowhere = load("local", environ={"CARILLON_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"})
    with pytest.raises(SenderError, match=r"no answer from Kafka at 127\.0\.0\.1:9 in 1 s .*make dev"):
        run(nowhere, tmp_path, until=UNTIL_IDLE)


def recall(settings: Settings, version: str) -> None:
    document = {
        "recall_id": "r-1",
        "campaign_id": "cart_reminder",
        "campaign_version": version,
        "recalled_at": "2026-03-01T09:12:00Z",
    }
    producer = Producer(settings.kafka.librdkafka())
    producer.produce("send.recalls", key=version.encode(), value=as_json(document))
    assert producer.flush(20) == 0


def told(settings: Settings) -> list[tuple[str, str]]:
    events = [
        json.loads(one.value()) for one in read_committed(settings.kafka.librdkafka(), "delivery.events")
    ]
    assert len({event["event_id"] for event in events}) == len({(e["type"], e["message_id"]) for e in events})
    return sorted((event["type"], event["message_id"]) for event in events)


def test_what_was_recalled_before_it_was_read_is_not_delivered_and_each_message_is_told_of(
    settings: Settings, tmp_path: Path
) -> None:
    publish(settings, [record("sms", ["s-1", "s-1"])])
    run(settings, tmp_path, until=UNTIL_IDLE)
    recall(settings, "sha256:00")
    publish(settings, [record("sms", ["s-2"], offset=1), record("push", ["p-1"])])
    summary = run(settings, tmp_path, until=UNTIL_IDLE)
    assert (summary["received"], summary["recalled"]) == (1, 2)
    assert told(settings) == [
        ("accepted", "s-1"),
        ("duplicate", "s-1"),
        ("recalled", "p-1"),
        ("recalled", "s-2"),
    ]
    event = json.loads(read_committed(settings.kafka.librdkafka(), "delivery.events")[0].value())
    DeliveryEvent.model_validate_json(json.dumps(event))


def test_a_recall_reaches_a_sender_that_is_running(settings: Settings, tmp_path: Path) -> None:
    stop = threading.Event()
    sender = threading.Thread(target=run, args=(settings, tmp_path), kwargs={"stop": stop})
    sender.start()
    try:
        publish(settings, [record("sms", ["s-1"])])
        wait_until_told(settings, ("accepted", "s-1"))
        recall(settings, "sha256:00")
        publish(settings, [record("sms", ["s-2"], offset=1)])
        wait_until_told(settings, ("accepted", "s-1"), ("recalled", "s-2"))
    finally:
        stop.set()
        sender.join()


def wait_until_told(settings: Settings, *outcomes: tuple[str, str]) -> None:
    ends = time.monotonic() + 30
    while (found := told(settings)) != list(outcomes):
        assert time.monotonic() < ends, found
        time.sleep(0.05)


def test_a_recall_that_cannot_be_understood_stops_the_sender(settings: Settings, tmp_path: Path) -> None:
    producer = Producer(settings.kafka.librdkafka())
    producer.produce("send.recalls", key=b"sha256:00", value=b"{}")
    assert producer.flush(20) == 0
    publish(settings, [record("sms", ["s-1"])])
    with pytest.raises(SenderError, match=r"send\.recalls offset 0: not a recall"):
        run(settings, tmp_path, until=UNTIL_IDLE)
    assert not (tmp_path / "sms.jsonl").read_text("utf-8")
