"""Two drivers commit to one table on S3 at once: nothing acknowledged is lost, nothing is there twice.

S3 answers a commit's PUT late, as real S3 does, so that the drivers meet at nearly every version: with
Delta's own log store this test loses commits (ADR 0002).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

import pytest
from pyspark.sql import SparkSession

from embedded.faulty_s3 import Fault, FaultyS3
from embedded.servers import EmbeddedServers

COMMITS = 20
DRIVERS = ("stream", "campaign")
# A PUT to S3 in the same region takes about this long; moto answers in 3 ms.
PUT_DELAY_S = 0.05


def slow_commits(method: str, path: str, _headers: Mapping[str, str]) -> Fault | None:
    return Fault(delay_s=PUT_DELAY_S) if method == "PUT" and "_delta_log" in path else None


class Driver:
    def __init__(self, table: str, name: str, environment: dict[str, str]) -> None:
        self.name = name
        command = [sys.executable, "-m", "tests.integration.appending_driver", table, name, str(COMMITS)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def wait_until_ready(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n", self._process.communicate()[1][-2000:]

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def acknowledged(self) -> list[tuple[str, int]]:
        out, errors = self._process.communicate(timeout=900)
        assert self._process.returncode == 0, errors[-2000:]
        return [(self.name, int(line.split()[1])) for line in out.splitlines() if line.startswith("ack")]

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.mark.spark
@pytest.mark.integration
def test_no_acknowledged_commit_is_lost(
    spark: SparkSession, servers: EmbeddedServers, environment: dict[str, str], lake: str
) -> None:
    table = f"{lake}/hammered"
    spark.createDataFrame([], "driver string, number int").write.format("delta").save(table)
    with FaultyS3(servers.s3.endpoint_url, slow_commits) as door:
        slow = {**environment, "CARILLON_LAKE__ENDPOINT_URL": door.endpoint_url}
        drivers = [Driver(table, name, slow) for name in DRIVERS]
        try:
            for driver in drivers:
                driver.wait_until_ready()
            for driver in drivers:
                driver.go()
            acknowledged = [commit for driver in drivers for commit in driver.acknowledged()]
        finally:
            for driver in drivers:
                driver.end()
    assert len(acknowledged) == len(DRIVERS) * COMMITS
    found = Counter((row.driver, row.number) for row in spark.read.format("delta").load(table).collect())
    assert found == Counter(acknowledged)
    assert spark.sql(f"DESCRIBE HISTORY delta.`{table}`").count() == len(acknowledged) + 1
