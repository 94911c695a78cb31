"""Two drivers on one lake at the same moment: no acknowledged commit is lost, and none is there twice (ADR 2); under
caps of 1 nobody gets 2 (ADR 5).

S3 answers a commit's PUT late, as real S3 does, so that the drivers meet at nearly every version: with Delta's own log
store commits are lost.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Queue

import pytest
from pyspark.sql import SparkSession

import conf
from conf import Settings
from embedded.faulty_s3 import Fault, FaultyS3
from embedded.servers import EmbeddedServers
from pipelines.campaigns import Campaign
from schemas.topics import load_topics
from tests.builders import make_campaign, scheduled_campaign, trigger
from tests.integration.driver import obey
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

#: Each is one race: both drivers begin a campaign of the same category at once.
ROUNDS = 2
CUSTOMERS = [f"c-{number}" for number in range(40)]
COMMITS = 12
# A PUT to S3 in the same region takes about this long; moto answers in 3 ms.
PUT_DELAY_S = 0.05


def slow_commits(method: str, path: str, _headers: Mapping[str, str]) -> Fault | None:
    return Fault(delay_s=PUT_DELAY_S) if method == "PUT" and "_delta_log" in path else None


class DriverHere:
    """The tests' own session, in a thread: a driver takes long to start, and one other is enough."""

    def __init__(self, name: str, spark: SparkSession, settings: Settings) -> None:
        self.name = name
        self._told, self._said = Queue[str](), Queue[str]()
        threading.Thread(target=self._obey, args=(spark, settings), daemon=True).start()

    def _obey(self, spark: SparkSession, settings: Settings) -> None:
        try:
            obey(self.name, spark, settings, iter(self._told.get, ""), self._said.put)
        except Exception:  # what the reader shows
            self._said.put(traceback.format_exc())

    def read(self, word: str) -> str:
        line = self._said.get(timeout=300)
        assert line.startswith(word), line
        return line.removeprefix(word).strip()

    def tell(self, line: str) -> None:
        self._told.put(line)

    def end(self) -> None:
        self.tell("")


class DriverBeside:
    """A process with a session of its own."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.driver", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def read(self, word: str) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line.startswith(word), self._process.communicate()[1][-3000:]
        return line.removeprefix(word).strip()

    def tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


Driver = DriverHere | DriverBeside


@dataclass(frozen=True)
class Race:
    """One lake with its customers, and two drivers on it that are ready."""

    workspace: Workspace
    drivers: tuple[Driver, Driver]

    def outcomes(self, category: str) -> Counter[tuple[str, str, str | None]]:
        """How often a customer has a decision and its reason under a category's campaigns."""
        rows = self.workspace.ledger().where(f"category = '{category}'")
        return Counter(map(tuple, rows.select("customer_id", "decision", "reason").collect()))


@pytest.fixture(scope="module")
def race(spark: SparkSession, servers: EmbeddedServers) -> Iterator[Race]:
    """For all races of the file: a driver takes long to start."""
    # Its own bucket, since Spark knows an endpoint by its bucket: what other tests write is not slow.
    bucket = f"race-{uuid.uuid4().hex[:12]}"
    servers.s3.create_bucket(bucket)
    environment = {**servers.environment(), "CARILLON_LAKE__ROOT": f"s3a://{bucket}/lake"}
    servers.kafka.recreate_topics(load_topics())
    with FaultyS3(servers.s3.endpoint_url, slow_commits) as door:
        slow = {**environment, "CARILLON_LAKE__ENDPOINT_URL": door.endpoint_url}
        hadoop = spark._jsc.hadoopConfiguration()
        hadoop.set(f"fs.s3a.bucket.{bucket}.endpoint", door.endpoint_url)
        workspace = Workspace(spark, conf.load("local", environ=environment))
        workspace.promote(people(*CUSTOMERS))
        drivers = DriverHere("a", spark, conf.load("local", environ=slow)), DriverBeside("b", slow)
        try:
            for driver in drivers:
                driver.read("ready")
            yield Race(workspace, drivers)
        finally:
            for driver in drivers:
                driver.end()


def capped(campaign_id: str, category: str) -> Campaign:
    rule = {"at_most": 1, "per": "30 days", "category": category}
    return scheduled_campaign(
        campaign_id=campaign_id, category=category, frequency_caps=[rule], channels=["sms"]
    )


def capped_triggered(campaign_id: str, category: str) -> Campaign:
    rule = {"at_most": 1, "per": "30 days", "category": category}
    return make_campaign(
        None, campaign_id=campaign_id, category=category, frequency_caps=[rule], channels=["sms"]
    )


#: Everybody was sent one message, and the record says why not a second one.
ONE_EACH = Counter(
    (name, *outcome) for name in CUSTOMERS for outcome in (("sent", None), ("excluded", "frequency_capped"))
)


def test_no_acknowledged_commit_is_lost(race: Race) -> None:
    spark = race.workspace.spark
    table = f"{race.workspace.settings.lake.root}/hammered"
    spark.createDataFrame([], "driver string, number int").write.format("delta").save(table)
    for driver in race.drivers:
        driver.tell(f"prepare {table} {COMMITS}")
    for driver in race.drivers:
        driver.read("prepared")
    for driver in race.drivers:
        driver.tell("append")
    numbers = range(COMMITS)
    acknowledged = [(one.name, int(one.read("acknowledged"))) for one in race.drivers for _ in numbers]
    for driver in race.drivers:
        driver.read("appended")
    assert Counter(acknowledged) == Counter((one.name, number) for one in race.drivers for number in numbers)
    found = Counter((row.driver, row.number) for row in spark.read.format("delta").load(table).collect())
    assert found == Counter(acknowledged)
    assert spark.sql(f"DESCRIBE HISTORY delta.`{table}`").count() == len(acknowledged) + 1


def test_two_runs_at_once(race: Race) -> None:
    names = [(f"left_{number}", f"right_{number}") for number in range(ROUNDS)]
    for number, pair in enumerate(names):
        race.workspace.publish(*[capped(name, f"news_{number}") for name in pair])
        for driver, name in zip(race.drivers, pair, strict=True):
            driver.tell(f"run {name}")
        # One of them was first for everybody; the other one met its decisions.
        assert sorted(int(driver.read("sent")) for driver in race.drivers) == [0, len(CUSTOMERS)]
        assert race.outcomes(f"news_{number}") == ONE_EACH
    race.workspace.check()


def test_epochs_of_the_stream_beside_a_run(race: Race) -> None:
    runner, stream = race.drivers
    race.workspace.publish(capped("letter", "offers"), capped_triggered("offer", "offers"))
    ahead, beside, behind = CUSTOMERS[:5], CUSTOMERS[5:35], CUSTOMERS[35:]

    def send(names: list[str]) -> None:
        documents = [trigger(f"t-{name}", campaign_id="offer", customer_id=name) for name in names]
        race.workspace.send(TRIGGERS, *documents)

    # The stream has these for certain, and is warm.
    stream.tell("stream")
    send(ahead)
    considered = 0
    while considered < len(ahead):
        considered += int(stream.read("epoch"))
    runner.tell("run letter")
    # From one epoch to the next, as the run goes on. Somewhere in between it has its turn.
    for at in range(0, len(beside), 10):
        send(beside[at : at + 10])
        considered += int(stream.read("epoch"))
    by_run = int(runner.read("sent"))
    send(behind)
    while considered < len(CUSTOMERS):
        considered += int(stream.read("epoch"))
    assert considered == len(CUSTOMERS)
    assert race.outcomes("offers") == ONE_EACH
    # Either has sent some: the stream before the run began, the run to those of whom the stream heard later.
    assert len(behind) <= by_run <= len(CUSTOMERS) - len(ahead)
    race.workspace.check()
