"""Two drivers decide about the same customers at the same moment, with caps of 1: nobody ever gets 2 (ADR 5)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from tests.builders import scheduled_campaign
from tests.pipelines.edges.workspace import Workspace, people

#: Each is one race: both drivers begin a campaign of the same category at once.
ROUNDS = 3
CUSTOMERS = [f"c-{number}" for number in range(40)]


class Driver:
    def __init__(self, name: str, campaigns: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.capped_driver", name, *campaigns],
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

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def capped(campaign_id: str, category: str) -> object:
    rule = {"at_most": 1, "per": "30 days", "category": category}
    return scheduled_campaign(
        campaign_id=campaign_id, category=category, frequency_caps=[rule], channels=["sms"]
    )


@pytest.mark.usefixtures("fresh_topics")
def test_nobody_gets_more_than_the_cap(
    spark: SparkSession, settings: Settings, environment: dict[str, str]
) -> None:
    workspace = Workspace(spark, settings)
    workspace.promote(people(*CUSTOMERS))
    names = [(f"left_{number}", f"right_{number}") for number in range(ROUNDS)]
    for number, pair in enumerate(names):
        workspace.publish(*[capped(name, f"news_{number}") for name in pair])  # type: ignore[arg-type]
    drivers = [Driver(side, [pair[n] for pair in names], environment) for n, side in enumerate(("a", "b"))]
    try:
        for driver in drivers:
            driver.read("ready")
        for _ in names:
            for driver in drivers:
                driver.go()
            # One of them was first for everybody; the other one met its decisions.
            assert sorted(int(driver.read("sent")) for driver in drivers) == [0, len(CUSTOMERS)]
    finally:
        for driver in drivers:
            driver.end()
    rows = workspace.ledger().select("category", "customer_id", "decision", "reason").collect()
    assert Counter(row.decision for row in rows) == {
        "sent": ROUNDS * len(CUSTOMERS),
        "excluded": ROUNDS * len(CUSTOMERS),
    }
    sent = Counter((row.category, row.customer_id) for row in rows if row.decision == "sent")
    assert set(sent.values()) == {1}
    assert {row.reason for row in rows} == {None, "frequency_capped"}
    workspace.check()
