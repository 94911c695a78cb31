"""A small lake and what a test does with it: promote, publish, send, run, and look at what came of it."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from confluent_kafka import Producer
from deltalake import write_deltalake
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines.campaigns import Campaign
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from pipelines.edges.stream import TriggeredStream
from pipelines.edges.tables import Tables
from schemas.channels import CHANNELS
from schemas.tables import table
from tests.builders import NOW, Row, as_json, audience_row
from tests.topics import read_committed

TRIGGERS, EVENTS, LETTERS = "campaign.triggers", "customer.events", "campaign.dead-letters"

#: No test may use another's: workers live on between tests and remember how far a run of this name has got.
RUN_IDS = (f"r-{number}" for number in itertools.count(100))


class Workspace:
    """What a test does and looks at; `run_id` is its own."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings
        self.objects = ObjectStore(settings.lake)
        self.campaigns = CampaignStore(self.objects)
        self.lake = DeltaLake(spark, settings.lake)
        self.reports: list[dict[str, Any]] = []
        self.run_id = next(RUN_IDS)

    def promote(self, rows: Iterable[Row]) -> int:
        """Make the rows the audience; returns its version."""
        audience, lake = table("audience"), self.settings.lake
        made = pa.Table.from_pylist(list(rows), schema=audience.arrow_schema())
        write_deltalake(
            lake.delta_uri(audience.name), made, mode="overwrite", storage_options=lake.object_store()
        )
        version = self.lake.version(audience)
        AudiencePointer(self.objects).promote(Snapshot(version, NOW.isoformat(), made.num_rows, "test"))
        return version

    def publish(self, *campaigns: Campaign) -> list[str]:
        return [self.campaigns.publish(campaign) for campaign in campaigns]

    def send(self, topic: str, *documents: Any, key: bytes | None = b"c-1") -> None:
        """Records in one partition, in this order; bytes and None as they are, others as JSON."""
        producer = Producer({**self.settings.kafka.librdkafka(), "message.max.bytes": 8_000_000})
        for document in documents:
            value = document if isinstance(document, bytes | None) else as_json(document)
            producer.produce(topic, value=value, key=key, partition=0)
        assert producer.flush(30.0) == 0

    def run(self, **stream: Any) -> list[dict[str, Any]]:
        """Work on what is there, in a stream of its own; returns the results of its epochs."""
        settings = self.settings.model_copy(update={"stream": self.settings.stream.model_copy(update=stream)})
        reports: list[dict[str, Any]] = []
        TriggeredStream(self.spark, settings, reports.append).run(True, threading.Event())
        self.reports += reports
        return reports

    def releases(self, **stream: Any) -> list[dict[str, Any]]:
        """As `run`, of which only the releases: a new stream has an epoch of its own, though nothing came."""
        return [result for result in self.run(**stream) if result["pipeline"] == "triggered-holds"]

    def forget_commit(self, epoch: int) -> None:
        """What a driver leaves behind that is killed after publishing and before Spark's commit."""
        name = f"checkpoints/{self.settings.stream.pipeline}/commits/{epoch}"
        assert [item.name for item in self.objects.list(name)] == [name]
        self.objects.delete(name)

    def forget_delta(self) -> None:
        """As a new driver: what Delta keeps of tables in this process is gone."""
        jvm = self.spark._jvm
        assert jvm is not None
        jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()

    def rows(self, name: str) -> DataFrame:
        """What is in a table, read without Spark: its Delta asks the log in jobs of its own, for a few rows."""
        found = Tables(self.settings.lake).find(table(name))
        assert found is not None
        rows = found.to_pyarrow_table()
        # Of columns without any chunk Spark makes none.
        return self.spark.createDataFrame(rows if rows.num_rows else rows.schema.empty_table())

    def ledger(self) -> DataFrame:
        return self.rows("ledger")

    def decisions(self) -> Counter[tuple[Any, ...]]:
        """(source id, campaign, customer, channel, stage, decision, reason) of each row of the ledger."""
        columns = ("source_id", "campaign_id", "customer_id", "channel", "stage", "decision", "reason")
        return Counter(tuple(row) for row in self.ledger().select(*columns).collect())

    def batches(self) -> list[dict[str, Any]]:
        """Every committed send batch."""
        client = self.settings.kafka.librdkafka()
        records = [record for channel in CHANNELS for record in read_committed(client, channel.topic)]
        return [json.loads(record.value()) for record in records]

    def messages(self) -> Counter[str]:
        """How often each message id is seen by a committed reader."""
        return Counter(message["message_id"] for batch in self.batches() for message in batch["messages"])

    def letters(self) -> list[Any]:
        return read_committed(self.settings.kafka.librdkafka(), LETTERS)

    def check(self) -> None:
        """The ledger's sent messages are exactly what the topics hold, each once."""
        said = "SELECT message_id, stage FROM t WHERE decision = 'sent' OR stage = 'render'"
        rows = Tables(self.settings.lake).query(table("ledger"), said)
        stopped = {row["message_id"] for row in rows if row["stage"] == "render"}
        left = [row["message_id"] for row in rows if row["stage"] == "decide"]
        messages = self.messages()
        assert messages == Counter(one for one in left if one not in stopped)
        assert all(count == 1 for count in messages.values())


def people(*ids: str, **changes: Any) -> list[Row]:
    return [audience_row(one, **changes) for one in ids]
