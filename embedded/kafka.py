"""A Kafka broker in KRaft mode (broker and controller in one JVM) on loopback, its data in a directory.

Invariant: started again on the same object it has the same address and the same data, after kill -9 too.
One node, nothing replicated, plain text: for the demo, development and tests only.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from embedded.errors import EmbeddedError
from embedded.jars import ensure_broker
from embedded.java import java_command
from embedded.process import ServerProcess, accepts_connections, free_port

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from schemas.topics import Topic

# 10 MB: the ceiling a send batch is checked against. Fetching must allow as much, or a consumer stalls on
# such a record.
MESSAGE_MAX_BYTES = 10 * 1024 * 1024

# Base64 of the 16 bytes "carillon-embedde".
_CLUSTER_ID = "Y2FyaWxsb24tZW1iZWRkZQ"

# Compiling with the first tier only halves the start on two cores.
_JVM_OPTIONS = ("-Xms192m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
message.max.bytes={message_max_bytes}
replica.fetch.max.bytes={message_max_bytes}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# After kill -9 the controller waits for the old session to end before it takes the broker back.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
num.network.threads=2
num.io.threads=4
# By default it writes a record of nothing twice a second. Without these, and with half of the heartbeats, an idle
# broker costs two fifths less.
metadata.max.idle.interval.ms=0
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""

_LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n%throwable
"""


class KafkaBroker:
    """One broker; `bootstrap_servers` is valid before start()."""

    def __init__(self, work_dir: Path, port: int | None = None) -> None:
        self._dir = work_dir
        self._port = port or free_port()
        self._controller_port = free_port()
        self._process: ServerProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self._process is not None and self._process.running

    def begin(self) -> None:
        """Start without waiting for an answer, so that other servers can start meanwhile."""
        classpath = f"{ensure_broker()}/*"
        self._dir.mkdir(parents=True, exist_ok=True)
        properties, logging = self._dir / "server.properties", self._dir / "log4j2.properties"
        data = self._dir / "data"
        properties.write_text(
            _PROPERTIES.format(
                port=self._port,
                controller_port=self._controller_port,
                data=data,
                message_max_bytes=MESSAGE_MAX_BYTES,
            )
        )
        logging.write_text(_LOGGING)
        java = [java_command(), *_JVM_OPTIONS, f"-Dlog4j2.configurationFile={logging}", "-cp", classpath]
        if not (data / "meta.properties").exists():
            _format(java, properties)
        self._process = ServerProcess(
            "the Kafka broker", [*java, "kafka.Kafka", str(properties)], self._dir / "kafka.log"
        )
        self._process.start()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return when the broker answers a metadata request and can elect leaders."""
        self._require().wait_until(self._answers, timeout_s)

    def start(self) -> None:
        """begin() and wait(); also after stop() or kill(), with the data of before."""
        self.begin()
        self.wait()

    def stop(self, clean: bool = True) -> None:
        """Shut down in order, or as by kill -9."""
        if self._process is not None:
            self._process.stop() if clean else self._process.kill()

    def kill(self) -> None:
        """kill -9."""
        self.stop(clean=False)

    def pause(self) -> None:
        """Freeze the process: clients see a broker that does not answer."""
        self._require().pause()

    def resume(self) -> None:
        """Undo pause()."""
        self._require().resume()

    def create_topics(self, topics: Iterable[Topic], timeout_s: float = 30.0) -> None:
        """Create those that do not exist yet, as declared."""
        from confluent_kafka.admin import AdminClient

        from pipelines.edges.topics import create_topics

        declared = tuple(topics)
        client = {"bootstrap.servers": self.bootstrap_servers}
        if declared:
            create_topics(client, declared, replication_factor=1)
        self._wait_for_leaders({topic.name for topic in declared}, AdminClient(client), timeout_s)

    def _wait_for_leaders(self, names: set[str], admin: AdminClient, timeout_s: float) -> None:
        """A topic exists before its partitions have leaders; a producer's first send would meet that."""
        deadline = time.monotonic() + timeout_s
        while waiting := names - _led_topics(admin, timeout_s):
            if time.monotonic() > deadline:
                listed = ", ".join(sorted(waiting))
                raise EmbeddedError(f"no leader for topics {listed} after {timeout_s:.0f} s")
            time.sleep(0.02)

    def recreate_topics(self, topics: Iterable[Topic], timeout_s: float = 30.0) -> None:
        """Empty these topics by deleting and creating them; consumers of the old ones must be gone."""
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient

        declared = tuple(topics)
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for deleted in admin.delete_topics(
            [topic.name for topic in declared], operation_timeout=timeout_s
        ).values():
            try:
                deleted.result(timeout_s)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        # The controller has deleted them; until the broker has heard of it, it takes records for the old ones.
        names, deadline = {topic.name for topic in declared}, time.monotonic() + timeout_s
        while names & _led_topics(admin, timeout_s) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.create_topics(declared, timeout_s)

    def _answers(self) -> bool:
        if not accepts_connections(self._port):
            return False
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        # librdkafka prints a refused connection to stderr; while starting that is no news.
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def _require(self) -> ServerProcess:
        if self._process is None:
            raise EmbeddedError("the Kafka broker was not started")
        return self._process


def _format(java: list[str], properties: Path) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise EmbeddedError(
            f"Kafka cannot format its storage: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
        )


def _led_topics(admin: AdminClient, timeout_s: float) -> set[str]:
    topics = admin.list_topics(timeout=timeout_s).topics
    return {
        name for name, topic in topics.items() if all(part.leader >= 0 for part in topic.partitions.values())
    }
