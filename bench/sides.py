"""One channel, every way of sending it: Carillon's run, its publishing alone, the naive job, Spark's Kafka sink.

- `run`: `run_campaign` from its start to its result: audience rule, all gates, ledger written and read back, plan,
  shuffle, render, transactions, books.
- `publish`: publishing alone is `UnitRunner.publish` on a run whose decisions are in the ledger: they are read, joined
  with the snapshot, shuffled, rendered, published in transactions with markers, and the books counted. It is repeated
  under a new incarnation, whose markers say that nothing is published yet.
- `naive`: see `bench.naive`. `sink`: see `bench.sink`, on the batches that a run has published.

Invariant: a side counts only if a reader that reads committed finds exactly the messages that were asked for; reading
them is not timed. Sides of a round follow each other in one session and on one broker.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from bench.decide import timed
from bench.delivered import Delivered, check_delivered, read_messages
from bench.mailing import SCHEDULED, customers_for
from bench.naive import send_naively
from bench.report import Report
from bench.sink import save_batches, write_batches
from bench.stage import Stage
from pipelines.books import Books
from pipelines.edges.objects import ObjectStore
from pipelines.edges.scheduled import run_campaign
from pipelines.edges.terms import Term, driver_name
from pipelines.runs import UNIT, run_pipeline
from pipelines.units import UnitRunner
from schemas.channels import channel as channel_named

#: Recipients of the comparison of messages, which also warms up every side.
_COMPARED = 5_000


class DifferentMessagesError(Exception):
    """The naive job makes other messages than Carillon, so a comparison of rates would mean nothing."""


class Sides:
    """The sides of one channel; `run_id`s are used once."""

    def __init__(self, stage: Stage, channel: str, work_dir: Path, compressions: Sequence[str]) -> None:
        self._stage = stage
        self._campaign = SCHEDULED[channel]
        self._channel = channel
        self._topic = channel_named(channel).topic
        self._saved = str(work_dir / f"{channel}.parquet")
        self.compressions = compressions
        self._incarnations = 0
        self.delivered = Delivered(0, 0, 0)

    def compare(self) -> int:
        """Each side once, on few recipients; how many messages were the same. Raises `DifferentMessagesError`."""
        audience = self._stage.promote(customers_for(_COMPARED, self._channel))
        self.run("same", _COMPARED)
        ours = read_messages(self._stage.client, self._topic)
        self.save()
        self.sink(_COMPARED, self.compressions[0])
        self.publish("same", _COMPARED)
        self.naive(audience, "same", _COMPARED)
        theirs = read_messages(self._stage.client, self._topic)
        different = [one for one in ours if ours[one] != theirs.get(one)]
        if different:
            one = different[0]
            raise DifferentMessagesError(
                f"{len(different)} messages differ; {one}: {ours[one]} and {theirs.get(one)}"
            )
        return len(ours)

    def run(self, run_id: str, messages: int) -> float:
        """Messages a second."""
        campaign = self._campaign.campaign_id
        return self._rate(
            "run", messages, lambda: run_campaign(self._stage.spark, self._stage.settings, campaign, run_id)
        )

    def publish(self, run_id: str, messages: int) -> float:
        """Messages a second, of a run that is complete."""
        self._incarnations += 1
        stage, pipeline = self._stage, run_pipeline(self._campaign.campaign_id, run_id)
        incarnation = f"bench-{self._incarnations}"
        term = Term(ObjectStore(stage.settings.lake), pipeline, f"{driver_name(stage.spark)}/{incarnation}")
        runner = UnitRunner(stage.spark, stage.settings, pipeline, incarnation, term)
        manifest = runner.manifests.find(f"{pipeline}/run", UNIT)
        assert manifest is not None
        versions = runner.pinned(manifest)
        decided = runner.recorder.recorded(manifest, is_large=True)
        return self._rate(
            "publish",
            messages,
            lambda: runner.publish(UNIT, manifest, versions, decided, Books()),
        )

    def naive(self, audience: DataFrame, run_id: str, messages: int) -> float:
        """Messages a second."""
        send = lambda: send_naively(self._stage.settings, self._campaign, audience, run_id)  # noqa: E731
        return self._rate("naive", messages, send)

    def save(self) -> None:
        """Keep what is on the topic for `sink`."""
        save_batches(self._stage.spark, self._stage.settings, self._topic, self._saved)

    def sink(self, messages: int, compression: str) -> float:
        """Messages a second."""
        stage = self._stage
        return self._rate(
            "sink",
            messages,
            lambda: write_batches(stage.spark, stage.settings, self._saved, self._topic, compression),
        )

    def _rate(self, side: str, messages: int, send: Callable[[], object]) -> float:
        self._stage.empty(self._topic)
        seconds = timed(send)
        self.delivered = check_delivered(self._stage.client, self._topic, messages, side)
        return messages / seconds


def measure(sides: Sides, stage: Stage, report: Report, channel: str, sizes: dict[str, int]) -> None:
    """All figures of a channel: rates of each side, and the ratios of the medians."""
    messages, naive_messages, rounds = sizes["messages"], sizes["naive_messages"], sizes["rounds"]
    rates: dict[str, list[float]] = {}

    def note(side: str, rate: float) -> None:
        rates.setdefault(side, []).append(rate)
        report.add("messages_per_s", {f"{channel}_{side}": round(statistics.median(rates[side]))})
        report.add("rounds", {f"{channel}_{side}": [round(one) for one in rates[side]]})

    report.add("compared", {channel: sides.compare()})
    audience = stage.promote(customers_for(naive_messages, channel))
    stage.promote(customers_for(messages, channel))
    for turn in range(rounds):
        run_id = f"r{turn}"
        note("run", sides.run(run_id, messages))
        if turn == 0:
            report.add("batch_bytes", {channel: round(sides.delivered.bytes / sides.delivered.batches)})
            report.add("message_bytes", {channel: round(sides.delivered.bytes / messages)})
            sides.save()
        for compression in sides.compressions:
            note(f"spark_sink_{compression}", sides.sink(messages, compression))
        note("publish", sides.publish(run_id, messages))
        note("naive", sides.naive(audience, run_id, naive_messages))
        report.add("ratios", ratios(channel, rates))


def ratios(channel: str, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Carillon's rate by the other's, of the medians over the rounds; the sink counts with its best compression."""
    middle = {side: statistics.median(found) for side, found in rates.items()}
    middle["spark_sink"] = max(rate for side, rate in middle.items() if side.startswith("spark_sink_"))
    pairs = {"run_vs_naive": ("run", "naive"), "publish_vs_spark_sink": ("publish", "spark_sink")}
    pairs["run_vs_spark_sink"] = ("run", "spark_sink")
    return {
        f"{channel}_{name}": round(middle[one] / middle[other], 2) for name, (one, other) in pairs.items()
    }
