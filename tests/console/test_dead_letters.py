"""`carillon dead-letters` on the real broker: what it shows, what it keeps to itself, and each letter back once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from conf import Settings
from console.dead_letters import parse_time
from console.main import make_app
from pipelines.dead_letters import to_record
from pipelines.edges.bounds import watermarks
from pipelines.edges.letters import Letters, Wanted
from pipelines.errors import InputError
from tests import commands
from tests.builders import NOW, as_json, trigger
from tests.topics import read_committed

pytestmark = pytest.mark.usefixtures("fresh_topics")
TOPIC, TRIGGERS, EVENTS = "campaign.dead-letters", "campaign.triggers", "customer.events"
SECRET = "ava@example.org"


def put_aside(settings: Settings, *letters: tuple[str, str, Any], bytes_max: int = 8_000_000) -> None:
    """(source topic, reason, value): each as the stream would publish it when no letter may be larger; all in partition
    0, in this order."""
    producer = Producer({**settings.kafka.librdkafka(), "message.max.bytes": 8_000_000})
    for offset, (topic, reason, value) in enumerate(letters):
        row = {
            "topic": topic,
            "partition": 1,
            "offset": offset,
            "timestamp": NOW,
            "key": SECRET.encode(),
            "value": value if isinstance(value, bytes) else as_json(value),
            "stage": "decode",
            "reason": reason,
            "detail": "customer_id: absent",
        }
        made = to_record(row, "triggered", bytes_max)
        producer.produce(made.topic, value=made.value, key=made.key, headers=list(made.headers), partition=0)
    assert producer.flush(30.0) == 0


def carillon(environment: dict[str, str], *arguments: str) -> list[str]:
    return commands.carillon(environment, "dead-letters", *arguments)


def ids(environment: dict[str, str], *arguments: str) -> list[str]:
    return [json.loads(line)["id"] for line in carillon(environment, "list", "--json", *arguments)]


def came_back(settings: Settings, topic: str = TRIGGERS) -> list[Any]:
    return read_committed(settings.kafka.librdkafka(), topic)


def test_a_list_tells_everything_but_the_payload(settings: Settings, environment: dict[str, str]) -> None:
    put_aside(
        settings,
        (TRIGGERS, "missing_field", {"to": SECRET}),
        (EVENTS, "not_json", SECRET.encode()),
        (TRIGGERS, "not_json", b"\xff" + SECRET.encode()),
    )
    plain, as_objects = carillon(environment, "list"), carillon(environment, "list", "--json")
    assert SECRET not in "".join(plain + as_objects)
    first = json.loads(as_objects[0])
    assert {name: first[name] for name in ("id", "source_topic", "source_partition", "reason", "detail")} == {
        "id": "0:0",
        "source_topic": TRIGGERS,
        "source_partition": "1",
        "reason": "missing_field",
        "detail": "customer_id: absent",
    }
    assert re.fullmatch(
        r"0:0  \S+  campaign\.triggers/1/0  missing_field  25 bytes  customer_id: absent", plain[0]
    )
    assert ids(environment, "--reason", "not_json") == ["0:1", "0:2"]
    assert ids(environment, "--reason", "not_json", "--topic", EVENTS) == ["0:1"]
    assert ids(environment, "--id", "0:2", "--id", "0:0") == ["0:0", "0:2"]
    assert ids(environment, "--limit", "2") == ["0:1", "0:2"]
    assert ids(environment, "--since", "1h") == ["0:0", "0:1", "0:2"]
    assert ids(environment, "--since", "2100-01-01T00:00:00Z") == []
    assert SECRET not in "".join(carillon(environment, "show", "0:0"))
    shown = json.loads("".join(carillon(environment, "show", "0:0", "--payload")))
    assert (shown["key"], json.loads(shown["value"])) == (SECRET, {"to": SECRET})
    binary = json.loads("".join(carillon(environment, "show", "0:2", "--payload")))
    assert set(binary["value"]) == {"base64"}


def test_a_letter_is_sent_back_as_it_was_and_once(settings: Settings, environment: dict[str, str]) -> None:
    put_aside(settings, (TRIGGERS, "missing_field", b"\xffone"), (EVENTS, "not_json", b"two"))
    assert carillon(environment, "replay", "--topic", TRIGGERS) == ["1 records sent back, 0 had been before"]
    assert carillon(environment, "replay", "--all") == ["1 records sent back, 1 had been before"]
    assert carillon(environment, "replay", "--all") == ["0 records sent back, 2 had been before"]
    (record,) = came_back(settings)
    assert (record.value(), record.key(), record.partition()) == (b"\xffone", SECRET.encode(), 1)
    assert record.headers() == [("replay_of", b"campaign.dead-letters/0/0")]
    assert [one.value() for one in came_back(settings, EVENTS)] == [b"two"]


def test_a_mended_value_goes_in_its_place(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    put_aside(settings, (TRIGGERS, "missing_field", trigger(customer_id=...)))
    mended = tmp_path / "mended.json"
    mended.write_bytes(as_json(trigger(customer_id=...)))
    with pytest.raises(InputError, match=r"would be refused again: customer_id: Field required") as caught:
        carillon(environment, "replay", "--id", "0:0", "--value", str(mended))
    assert "t-1" not in str(caught.value)
    mended.write_bytes(as_json(trigger()))
    for expected in ("1 records sent back, 0 had been before", "0 records sent back, 1 had been before"):
        assert carillon(environment, "replay", "--id", "0:0", "--value", str(mended)) == [expected]
    assert [json.loads(record.value()) for record in came_back(settings)] == [trigger()]


def test_a_letter_without_its_value_says_where_it_is_and_is_not_sent_back_without_it(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    large = as_json({"noise": "x" * 1_200_000})
    put_aside(
        settings,
        (TRIGGERS, "too_large", large),
        (TRIGGERS, "not_json", b"two"),
        (TRIGGERS, "too_large", large),
        bytes_max=1_000_000,
    )
    size = f"{len(large):,}"
    line = carillon(environment, "list")[0]
    assert re.fullmatch(rf"0:0  .*  too_large  {size} bytes, not whole  customer_id: absent", line)
    shown = json.loads("".join(carillon(environment, "show", "0:0", "--payload")))
    where = (
        f"its value was too large for a letter ({size} bytes, SHA-256 {sha256(large).hexdigest()}): it is in "
        "campaign.triggers, partition 1, offset 0, while that topic keeps it"
    )
    assert (shown["value"], shown["bytes"], shown["left_out"]) == (None, len(large), where)
    refused = (
        rf"letter 0:0 was not sent back: {re.escape(where)}\. .* --id 0:0 --value FILE\. So it is with 1 more"
    )
    for _ in range(2):
        with pytest.raises(InputError, match=refused):
            carillon(environment, "replay", "--all")
        assert [record.value() for record in came_back(settings)] == [b"two"]
    mended = tmp_path / "mended.json"
    mended.write_bytes(large)
    with pytest.raises(InputError, match=rf"refused again: value: {size} bytes; allowed: 1,000,000"):
        carillon(environment, "replay", "--id", "0:0", "--value", str(mended))
    mended.write_bytes(as_json(trigger()))
    assert carillon(environment, "replay", "--id", "0:0", "--value", str(mended))[0].startswith(
        "1 records sent"
    )
    with pytest.raises(InputError, match=r"dead letter 0:2 was not sent back: .* --id 0:2 --value FILE\.$"):
        carillon(environment, "replay", "--all")


def test_what_is_put_aside_while_letters_are_read_is_not_read(settings: Settings) -> None:
    """A stream that refuses again what a replay sends back would keep it at work for ever."""
    put_aside(settings, (TRIGGERS, "not_json", b"one"), (TRIGGERS, "not_json", b"two"))
    # So little is read ahead that the end of the partition is not reached with the first letter.
    client = {**settings.kafka.librdkafka(), "queued.min.messages": "1", "queued.max.messages.kbytes": "1"}
    letters = iter(Letters(client, Wanted()))
    first = next(letters)
    put_aside(settings, (TRIGGERS, "not_json", b"three"))
    assert [letter.value for letter in (first, *letters)] == [b"one", b"two"]


def test_ids_that_are_gone_are_named_and_hide_no_other(
    settings: Settings, environment: dict[str, str]
) -> None:
    put_aside(settings, *[(TRIGGERS, "not_json", name) for name in (b"one", b"two", b"three")])
    admin = AdminClient(settings.kafka.librdkafka())
    for done in admin.delete_records([TopicPartition(TOPIC, 0, 2)]).values():
        done.result(30.0)
    asked = [part for one in ("0:0", "0:2", "0:9", "7:0") for part in ("--id", one)]
    gone = "no dead letter 0:0, 0:9, 7:0: it never was, or retention has removed it (the topic keeps letters for 30 d"
    ended = CliRunner(env=environment).invoke(make_app(), ["dead-letters", "list", *asked])
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["0:2"]
    assert str(ended.exception).startswith(gone)
    ended = CliRunner(env=environment).invoke(make_app(), ["dead-letters", "replay", *asked])
    assert ended.stdout == "1 records sent back, 0 had been before\n"
    assert str(ended.exception).startswith(gone)
    assert [record.value() for record in came_back(settings)] == [b"three"]
    assert ids(environment, "--id", "0:2", "--reason", "missing_field") == []


@pytest.mark.parametrize(("fault", "left"), [("mid-publish:kill:2", 500), ("after-commit:kill:2", 100)])
def test_a_replay_that_is_killed_is_finished_by_the_next(
    settings: Settings, environment: dict[str, str], fault: str, left: int
) -> None:
    names = [f"{number}".encode() for number in range(1_100)]
    put_aside(settings, *[(TRIGGERS, "not_json", name) for name in names])
    command = [sys.executable, "-m", "console.main", "dead-letters", "replay", "--all"]
    killed = subprocess.run(
        command, env={**os.environ, **environment, "CARILLON_FAULT": fault}, capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = {500: 500, 100: 1_000}[left]
    (line,) = carillon(environment, "replay", "--all")
    assert line == f"{1_100 - done:,} records sent back, {done:,} had been before"
    assert Counter(record.value() for record in came_back(settings)) == Counter(names)


@pytest.mark.parametrize(("fault", "done"), [("mid-publish:freeze:2", 500), ("after-commit:freeze:2", 1_000)])
def test_of_two_replays_the_later_goes_on_and_the_earlier_ends(
    settings: Settings, environment: dict[str, str], fault: str, done: int
) -> None:
    names = [f"{number}".encode() for number in range(1_100)]
    put_aside(settings, *[(TRIGGERS, "not_json", name) for name in names])
    earlier = start_replay(environment, CARILLON_FAULT=fault)
    ends = time.monotonic() + 120.0
    while not is_frozen(earlier):
        assert earlier.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.05)
    (line,) = carillon(environment, "replay", "--all")
    assert line == f"{1_100 - done:,} records sent back, {done:,} had been before"
    earlier.send_signal(signal.SIGCONT)
    out, complaint = earlier.communicate(timeout=120.0)
    assert (earlier.returncode, out) == (2, ""), complaint
    said = complaint.splitlines()[-1]  # before it, librdkafka tells of the fence in its own way
    assert said.startswith("carillon: another replay of dead letters began while this one was at work")
    assert f"{done:,} records were sent back by then. Nothing was lost or doubled. Start it again" in said
    assert Counter(record.value() for record in came_back(settings)) == Counter(names)


def is_frozen(process: subprocess.Popen[str]) -> bool:
    # The name, in parentheses, may hold blanks; the state follows it.
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


def start_replay(environment: dict[str, str], **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "console.main", "dead-letters", "replay", "--all"],
        env={**os.environ, **environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("replay",), "which dead letters"),
        (("replay", "--id", "0-1"), "'0-1' is not the id of a dead letter"),
        (("replay", "--id", "0:7"), "no dead letter 0:7: it never was"),
        (("replay", "--all"), "no dead letter matches"),
        (("replay", "--reason", "no_consent"), "no reason of a dead letter"),
        (("replay", "--all", "--value", __file__), "name it by one --id"),
        (("list", "--since", "yesterday"), "'yesterday' is no time"),
        (("show", "0:7"), "no dead letter 0:7"),
    ],
)
def test_what_cannot_be_done_is_said(
    environment: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        carillon(environment, *arguments)


def test_a_record_of_no_input_topic_is_not_sent_anywhere(
    settings: Settings, environment: dict[str, str]
) -> None:
    put_aside(settings, ("send.progress", "not_json", b"x"))
    with pytest.raises(InputError, match=r"came from 'send\.progress'; allowed: campaign\.triggers"):
        carillon(environment, "replay", "--all")


def test_a_partition_without_a_leader_is_waited_for() -> None:
    class Electing:
        answers: ClassVar = [KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)), (3, 7)]

        def get_watermark_offsets(self, *_: object, **__: object) -> Any:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    consumer: Any = Electing()
    assert watermarks(consumer, TopicPartition(TOPIC, 0)) == (3, 7)


def test_times() -> None:
    now = datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert parse_time("90m", now) == now - timedelta(minutes=90)
    assert parse_time("2026-03-01T09:00:00+01:00", now) == datetime(2026, 3, 1, 8, tzinfo=timezone.utc)
