"""A short set of drills with a fixed seed: real jobs die where it hurts most and lose nothing, double nothing.

`make drills` runs all of them. Among these, `stream-after-ledger` is the known trap: Spark 4.1 replayed an epoch that a
kill -9 had interrupted, and then ended the query, so that a second restart was needed; here one has to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from drills.__main__ import try_together
from drills.catalog import DRILLS, Options
from drills.stage import Stage
from embedded.servers import EmbeddedServers
from pipelines.edges.promotion import build_audience
from schemas.topics import load_topics

SEED = 7
DRILLS_BY_NAME = {drill.name: drill for drill in DRILLS}
#: Tried at the same time; more is for `make drills`. A lost checkpoint is tested without processes, in `test_recovery`.
CHOSEN = ("run-mid-publish", "stream-after-ledger")


class StageOfTests(Stage):
    """Its audience is built in the tests' session: the job that builds is tried elsewhere, and dies in no drill."""

    def __init__(self, out: Path, spark: SparkSession, servers: EmbeddedServers) -> None:
        super().__init__(out, customers=400, seed=SEED, servers=servers)
        self._spark = spark

    def build_audience(self, extract: str) -> None:
        now = datetime.now(timezone.utc).isoformat()
        build_audience(self._spark, self.settings, extract, now, accept_row_count=False)


@pytest.fixture(scope="module")
def stage(
    spark: SparkSession, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    # Whoever watches the topics reads all that is there, other tests' records too.
    servers.kafka.recreate_topics(load_topics())
    with StageOfTests(tmp_path_factory.mktemp("drills"), spark, servers) as set_up:
        yield set_up


@pytest.mark.spark
@pytest.mark.integration
def test_nothing_is_lost_and_nothing_doubled(stage: Stage) -> None:
    options = Options(SEED, kills={"run-random-kills": 1, "stream-random-kills": 1}, budget_s=60.0)
    outcomes = try_together([DRILLS_BY_NAME[name] for name in CHOSEN], stage, options, {})
    assert [outcome.name for outcome in outcomes] == list(CHOSEN)
    for outcome in outcomes:
        assert outcome.faults == []
        assert outcome.kills == 1
        assert outcome.planned > 0
        assert (outcome.seen, outcome.duplicates, outcome.missing) == (outcome.planned, 0, 0)
        assert outcome.recovery_s is not None
