"""Decisions a second and the cost of an epoch, as the audience and the open holds grow: `python -m bench.decide`.

A run decides for everybody with all gates on and appends to the ledger; the limit is a scan of the same snapshot that
counts every column the gates read. An epoch of 1,000 triggers is a whole unit, from Kafka's bytes to Kafka's batches.
On real servers of this machine; nothing else should run on it. Writes out/bench/decide.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

import conf
from bench.population import (
    CAMPAIGNS,
    CONSENTS,
    FIRST,
    SNAPSHOT_AS_OF,
    SUPPRESSIONS,
    audience,
    consent_changes,
    holds,
    records,
    suppressions,
)
from bench.report import write_figures
from conf.spark import spark_conf
from embedded.servers import EmbeddedServers
from pipelines.books import Books
from pipelines.decode import decode_records
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.few import session_for_few
from pipelines.edges.ledger import LEDGER
from pipelines.edges.objects import ObjectStore
from pipelines.edges.terms import Term, driver_name
from pipelines.epochs import make_epoch_work
from pipelines.recording import HOLDS
from pipelines.runs import make_run_work, run_pipeline
from pipelines.units import AUDIENCE, UnitRunner

OUT = Path("out/bench/decide.json")
#: The rules of the house.
_HOUSE = {
    "CARILLON_DECIDE__FREQUENCY_CAPS": json.dumps(
        [{"at_most": 3, "per": "7 days"}, {"at_most": 1, "per": "day", "channel": "sms"}]
    ),
    "CARILLON_DECIDE__QUIET_FROM": "23:00",
    "CARILLON_DECIDE__QUIET_TO": "07:00",
    "CARILLON_DECIDE__HOLDOUT_PERCENT": "2",
}
#: What the gates read of a customer.
_READ = (
    "customer_id",
    "email",
    "phone",
    "locale",
    "time_zone",
    "preferred_channel",
    "consents",
    "invalid_channels",
)
#: Events of an epoch that drop what waits for their customers.
_REFUNDS = 10


class Bench:
    """One lake, one session."""

    def __init__(self, servers: EmbeddedServers, triggers: int) -> None:
        self.settings = conf.load("local", environ={**servers.environment(), **_HOUSE})
        self.spark = open_session(self.settings)
        self.triggers = triggers
        self.units = 0
        #: So many have had their say about consent and suppression.
        self.customers = 0
        self.few = session_for_few(self.spark)
        self.stream = UnitRunner(self.few, self.settings, "triggered", "bench", self._term("triggered"))
        for campaign in CAMPAIGNS.values():
            self.stream.campaigns.publish(campaign)

    def _term(self, pipeline: str) -> Term:
        return Term(ObjectStore(self.settings.lake), pipeline, driver_name(self.spark))

    def promote(self, customers: int) -> None:
        """An audience of that size, with what became known of its customers since."""
        self.stream.lake.replace(AUDIENCE, audience(self.spark, customers))
        version = self.stream.lake.version(AUDIENCE)
        as_of = SNAPSHOT_AS_OF.isoformat()
        AudiencePointer(self.stream.objects).promote(Snapshot(version, as_of, customers, "bench"))
        if customers > self.customers:
            for written, make in ((CONSENTS, consent_changes), (SUPPRESSIONS, suppressions)):
                rows = make(self.spark, self.customers, customers)
                self.stream.lake.append_once(written, rows, "bench/said", customers)
            self.customers = customers

    def clock(self) -> datetime:
        """A minute later for each unit, whatever the hour of measuring: the share in quiet hours stays."""
        return FIRST + timedelta(minutes=self.units)

    def scan(self) -> float:
        """Seconds of the limit."""
        snapshot = self.stream.lake.read(AUDIENCE, AudiencePointer(self.stream.objects).read().version)
        counts = [f"count({name})" for name in _READ]
        return timed(lambda: snapshot.selectExpr(*counts).collect())

    def run(self, customers: int, campaign_id: str = "letter") -> float:
        """Seconds to decide for everybody and append to the ledger; nothing is published."""
        self.units += 1
        run_id = f"{customers}-{self.units}"
        pipeline = run_pipeline(campaign_id, run_id)
        runner = UnitRunner(self.spark, self.settings, pipeline, "run", self._term(pipeline))
        manifest, _ = runner.manifests.pin(
            runner.app_id, 0, lambda: runner.make_manifest(0, self.clock(), {campaign_id})
        )
        versions = runner.pinned(manifest)
        snapshot = runner.lake.read(AUDIENCE, manifest.audience_version)
        work = make_run_work(run_id, manifest, versions, snapshot, self.settings.decide)
        campaigns = list(versions.values())
        return timed(lambda: runner.recorder.record(0, manifest, True, work, campaigns, Books()))

    def first_run(self, customers: int, campaign_id: str = "letter") -> float:
        """As `run`, of an audience that nothing was ever sent to; `run` after a run reads what that one sent."""
        for written in (LEDGER, HOLDS):
            self.stream.lake.replace(written, self.spark.createDataFrame([], written.schema()))
        return self.run(customers, campaign_id)

    def epoch(self, customers: int, refunds: int = 0) -> float:
        """Seconds of one whole epoch, of which so many events drop what waits."""
        self.units += 1
        unit = self.units
        decoded = decode_records(records(self.few, self.triggers, customers, unit, refunds)).persist()
        decoded.count()
        try:
            return timed(
                lambda: self.stream.run(
                    unit,
                    self.clock(),
                    None,
                    lambda spark, manifest, versions, _: make_epoch_work(
                        decoded, spark, manifest, versions, self.settings.decide, self.stream.open_holds
                    ),
                )
            )
        finally:
            decoded.unpersist()

    def hold(self, count: int, customers: int) -> None:
        """So many open holds, due over the next days."""
        first = self.clock() + timedelta(days=1)
        self.stream.lake.ensure(HOLDS)
        rows = holds(self.spark, count, customers, first)
        self.stream.lake.append_once(HOLDS, rows, "bench/holds", 0)


def open_session(settings: conf.Settings) -> SparkSession:
    """As a job's on this machine."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    s3a = {f"spark.hadoop.{name}": value for name, value in settings.lake.hadoop().items()}
    builder = SparkSession.builder.master("local[2,4]").appName("carillon-bench-decide")
    for name, value in {**spark_conf("local"), **s3a}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def timed(work: Callable[[], object]) -> float:
    """Seconds of the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_memory_mb(root: int) -> int:
    """The most that a process and its children (driver, JVM, workers) have held, each at its own time."""
    total = 0
    waiting = [root]
    while waiting:
        process = waiting.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
            # A child belongs to the thread that started it, and the JVM starts Python from threads of its own.
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return total // 1024


def label(size: int) -> str:
    return f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size // 1_000}k"


def measure(
    bench: Bench, sizes: list[int], runs: list[int], open_holds: int, rounds: int, others: list[str]
) -> dict[str, Any]:
    """All figures; the holds come last, since they stay."""
    names = (
        "ratios", "decisions_per_s", "scan_s", "run_s", "run_again_s", "outside_s", "others_s", "epoch_s",
    )  # fmt: skip
    found: dict[str, Any] = {name: {} for name in names}
    for size in sizes:
        bench.promote(size)
        bench.epoch(size)  # warm
        epochs = [bench.epoch(size) for _ in range(rounds)]
        found["epoch_s"][label(size)] = round(statistics.median(epochs), 2)
        if size in runs:
            bench.scan()
            scan = statistics.median(bench.scan() for _ in range(rounds))
            bench.run(size)  # warm
            again = bench.run(size)
            run = statistics.median(bench.first_run(size) for _ in range(min(rounds, 3)))
            name = label(size)
            found["scan_s"][name], found["run_s"][name] = round(scan, 2), round(run, 2)
            found["run_again_s"][name] = round(again, 2)
            found["ratios"][f"run_{name}_vs_scan"] = round(run / scan, 2)
            found["decisions_per_s"][name] = round(size / run)
            outside = {rule: bench.run(size, rule) for rule in ("narrow", "narrow_recorded")}
            found["outside_s"][name] = {rule: round(s, 2) for rule, s in outside.items()}
            if others:
                found["others_s"][name] = {other: round(bench.first_run(size, other), 2) for other in others}
        print(json.dumps({"size": size, **{key: value for key, value in found.items() if value}}), flush=True)
    if open_holds:
        bench.hold(open_holds, sizes[-1])
        bench.epoch(sizes[-1])
        held = [bench.epoch(sizes[-1]) for _ in range(rounds)]
        found["epoch_with_holds_s"] = {label(open_holds): round(statistics.median(held), 2)}
        found["first_epoch_that_cancels_s"] = round(bench.epoch(sizes[-1], _REFUNDS), 2)
        cancelling = [bench.epoch(sizes[-1], _REFUNDS) for _ in range(rounds)]
        found["epoch_that_cancels_s"] = {label(open_holds): round(statistics.median(cancelling), 2)}
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.decide", description=__doc__)
    parser.add_argument("--sizes", default="100000,1000000,5000000", help="audiences of the epochs")
    parser.add_argument(
        "--runs", default="1000000,5000000", help="of these, those that a run is measured for"
    )
    parser.add_argument("--holds", type=int, default=1_000_000, help="open holds of the last measurement")
    parser.add_argument("--triggers", type=int, default=1_000, help="triggers of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--others", default="", help="further runs: letter_rated,letter_everywhere")
    parsed = parser.parse_args(arguments)
    sizes, runs = ([int(one) for one in text.split(",") if one] for text in (parsed.sizes, parsed.runs))
    with EmbeddedServers() as servers:
        bench = Bench(servers, parsed.triggers)
        others = [name for name in parsed.others.split(",") if name]
        found = measure(bench, sizes, runs, parsed.holds, parsed.rounds, others)
        found["peak_memory_mb"] = peak_memory_mb(os.getpid())
        bench.spark.stop()
    write_figures(OUT, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
