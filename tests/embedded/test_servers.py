"""The embedded servers as users meet them: they answer, keep their data, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded import EmbeddedError
from embedded.kafka import MESSAGE_MAX_BYTES, KafkaBroker
from embedded.process import ServerProcess, free_port
from embedded.servers import EmbeddedServers
from schemas.topics import load_topics

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def exists(pid: int) -> bool:
    """Whether a process runs; one that nobody waited for yet has ended all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int], timeout_s: float = 10.0) -> list[int]:
    deadline = time.monotonic() + timeout_s
    while (left := [pid for pid in pids if exists(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


class TestProcess:
    def test_a_process_that_ends_while_starting_says_why(self, tmp_path: Path) -> None:
        process = ServerProcess("it", [sys.executable, "-c", "raise SystemExit('no disk')"], tmp_path / "log")
        process.start()
        with pytest.raises(EmbeddedError, match=r"it ended while starting: no disk \(all of it: .*log\)"):
            process.wait_until(lambda: False, timeout_s=20)
        process.stop()

    def test_a_process_that_never_answers_is_given_up(self, tmp_path: Path) -> None:
        process = ServerProcess("it", SLEEPER, tmp_path / "log")
        process.start()
        try:
            with pytest.raises(EmbeddedError, match="does not answer after 0 s"):
                process.wait_until(lambda: False, timeout_s=0.2)
        finally:
            process.kill()

    def test_it_starts_again_after_stop_and_after_kill(self, tmp_path: Path) -> None:
        process = ServerProcess("it", SLEEPER, tmp_path / "log")
        for end in (process.stop, process.kill, process.stop):
            process.start()
            assert process.running
            end()
            assert not process.running

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_nothing_survives_the_owner(self, tmp_path: Path, number: signal.Signals) -> None:
        program = (
            "import os, sys, time\n"
            "from pathlib import Path\n"
            "from embedded.process import ServerProcess\n"
            "sleeper = 'import os, time; print(os.getpid(), flush=True); time.sleep(99)'\n"
            "command = [sys.executable, '-c', sleeper]\n"
            f"log = Path({str(tmp_path / 'log')!r})\n"
            "process = ServerProcess('it', command, log)\n"
            "process.start()\n"
            "process.wait_until(lambda: bool(log.read_text().strip()), 20)\n"
            "print(log.read_text().strip(), process._process.pid, flush=True)\n"
            "time.sleep(600)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        owner = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert owner.stdout
        server, leash = (int(pid) for pid in owner.stdout.readline().split())
        assert exists(server)
        assert exists(leash)
        owner.send_signal(number)
        owner.communicate()
        assert wait_until_gone([server, leash]) == []


class TestServers:
    def test_all_topics_are_as_declared(self, servers: EmbeddedServers) -> None:
        from confluent_kafka.admin import AdminClient

        known = (
            AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers}).list_topics(timeout=10).topics
        )
        found = {name: len(topic.partitions) for name, topic in known.items() if not name.startswith("__")}
        assert {topic.name: topic.partitions for topic in load_topics()}.items() <= found.items()

    def test_creating_topics_again_changes_nothing(self, servers: EmbeddedServers) -> None:
        servers.kafka.create_topics(load_topics())

    def test_the_settings_load(self, servers: EmbeddedServers) -> None:
        import conf

        settings = conf.load("local", environ=servers.environment())
        assert settings.kafka.bootstrap_servers == servers.kafka.bootstrap_servers
        assert settings.lake.bucket == servers.s3.bucket

    def test_s3_lets_one_of_many_creators_win(self, servers: EmbeddedServers) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import boto3
        from botocore.exceptions import ClientError

        import conf

        s3 = boto3.client("s3", **conf.load("local", environ=servers.environment()).lake.boto3())

        def create(body: bytes) -> bool:
            try:
                s3.put_object(Bucket=servers.s3.bucket, Key="contested", Body=body, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(create, [bytes([number]) for number in range(8)]))
        assert sum(won) == 1
        assert s3.get_object(Bucket=servers.s3.bucket, Key="contested")["Body"].read() == bytes(
            [won.index(True)]
        )


@pytest.mark.integration
def test_a_broker_keeps_its_address_and_data_through_kill(tmp_path: Path) -> None:
    from confluent_kafka import Consumer, Producer

    topic = next(topic for topic in load_topics() if topic.name == "campaign.triggers")
    broker = KafkaBroker(tmp_path)
    broker.start()
    try:
        address = broker.bootstrap_servers
        broker.create_topics([topic])
        quiet = {"bootstrap.servers": address, "log_level": 0}
        producer = Producer({**quiet, "transactional.id": "t-0", "message.max.bytes": MESSAGE_MAX_BYTES})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic.name, b"before")
        producer.commit_transaction(30)
        broker.kill()
        assert not broker.running
        broker.start()
        assert broker.bootstrap_servers == address
        consumer = Consumer({**quiet, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe([topic.name])
        message = consumer.poll(30)
        consumer.close()
        assert message is not None
        assert message.value() == b"before"
    finally:
        broker.stop()


def test_a_port_that_was_free_can_be_bound() -> None:
    assert free_port() != free_port()
