"""The stage of the drills: broker, S3 endpoint, one promoted audience, published campaigns, and a reader that watches.

Invariant: drills share all of it and meet nowhere: each has a pipeline of its own, and its triggers, events and runs
have ids of its own. Only the input topics are emptied between drills.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import conf
from drills.job import Job, reap
from drills.plan import Ledger
from drills.watcher import Watcher
from embedded.servers import EmbeddedServers
from examples.audience import write_extract
from examples.records import EVENTS, TRIGGERS, Record
from examples.traffic import generate_traffic
from pipelines.campaigns import find_campaigns, load_folder
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.objects import ObjectStore
from schemas.topics import load_topics

CAMPAIGNS = Path(__file__).resolve().parent.parent / "examples" / "campaigns"
SCHEDULED = "weekly_newsletter"
INPUTS = (TRIGGERS, EVENTS)
#: Small enough that an epoch and a run have several transactions in each send partition.
SMALL = {
    "CARILLON_PUBLISH__MESSAGES_PER_TRANSACTION": "40",
    "CARILLON_PUBLISH__TRANSACTION_TIMEOUT_MS": "20000",
    "CARILLON_STREAM__TRIGGER_INTERVAL_MS": "200",
}


class StageError(Exception):
    """The stage could not be set; no drill was tried."""


class Stage:
    """`with Stage(out, customers, seed) as stage:`"""

    def __init__(self, out: Path, customers: int, seed: int, servers: EmbeddedServers | None = None) -> None:
        self.logs = out / "drills"
        self.customers = customers
        self.seed = seed
        self.tag = uuid.uuid4().hex
        #: What an undisturbed trial of a kind considered: every other one must consider the same.
        self.expected: dict[str, Counter[tuple[str, ...]]] = {}
        #: How many seconds an undisturbed job of a kind took, until it had taken over its pipeline and from there.
        self.durations: dict[str, tuple[float, float]] = {}
        self._given = servers
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        try:
            self.servers = self._given or self._stack.enter_context(EmbeddedServers())
            self._stack.callback(reap, self.tag)
            root = f"s3a://{self.servers.s3.bucket}/drills-{self.tag[:8]}"
            self.environment = {
                **{
                    name: value for name, value in os.environ.items() if not name.startswith("CARILLON_FAULT")
                },
                **self.servers.environment(),
                **SMALL,
                # A portion of traffic is a fifth of the customers: two epochs and a bit.
                "CARILLON_STREAM__MAX_OFFSETS_PER_EPOCH": str(max(20, self.customers // 8)),
                "CARILLON_LAKE__ROOT": root,
            }
            self.settings = conf.load("local", environ=self.environment)
            self.objects = ObjectStore(self.settings.lake)
            self.ledger = Ledger(self.settings)
            self._prepare()
            self.watcher = self._stack.enter_context(Watcher(self.settings.kafka.librdkafka()))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, job: str, arguments: list[str], log: str, environment: dict[str, str]) -> Job:
        return Job(job, arguments, {**self.environment, **environment}, self.logs / f"{log}.log", self.tag)

    def empty_inputs(self) -> None:
        """Fresh input topics; whoever consumed the old ones must be gone."""
        self.servers.kafka.recreate_topics(topic for topic in load_topics() if topic.name in INPUTS)

    def feed(self, prefix: str) -> tuple[list[Record], int]:
        """One portion of traffic, its ids beginning with `prefix`; and how many of its records are malformed."""
        traffic = generate_traffic(self.customers, self.seed, datetime.now(timezone.utc), with_noise=False)
        records = [renamed(record, prefix) for record in traffic.records]
        self.send(records)
        return records, traffic.malformed

    def send(self, records: list[Record]) -> None:
        from confluent_kafka import Producer

        producer = Producer({**self.settings.kafka.librdkafka(), "message.max.bytes": 8_000_000})
        for record in records:
            producer.produce(record.topic, value=record.value, key=record.key)
            producer.poll(0)
        if producer.flush(60.0):
            raise StageError("the broker did not take the traffic of a drill")

    def _prepare(self) -> None:
        """The audience and all example campaigns."""
        folder = f"{self.settings.lake.bucket}/raw-{self.tag[:8]}/customers"
        write_extract(folder, self.customers, self.seed, filesystem=_filesystem(self.settings))
        self.build_audience(f"s3a://{folder}")
        store = CampaignStore(self.objects)
        for path in find_campaigns(CAMPAIGNS):
            store.publish(load_folder(path))

    def build_audience(self, extract: str) -> None:
        """By the real job; who has a session already may build in it."""
        building = self.start("build_audience", ["--extract", extract], "build_audience", {})
        if building.wait(600.0) != 0:
            building.kill()
            raise StageError(f"build_audience failed: {building.last_line()} (log: {building.log})")


def renamed(record: Record, prefix: str) -> Record:
    """The record with `prefix` before its trigger or event id; malformed records stay as they are."""
    try:
        document = json.loads(record.value or b"")
    except (ValueError, RecursionError):  # malformed on purpose
        return record
    if not isinstance(document, dict):
        return record
    for name in ("trigger_id", "event_id"):
        if isinstance(document.get(name), str):
            document[name] = prefix + document[name]
    return replace(record, value=json.dumps(document, ensure_ascii=False).encode())


def _filesystem(settings: conf.Settings) -> Any:
    import pyarrow.fs as pafs

    lake = settings.lake
    assert lake.endpoint_url is not None
    assert lake.access_key_id is not None
    assert lake.secret_access_key is not None
    scheme, _, host = lake.endpoint_url.partition("://")
    return pafs.S3FileSystem(
        access_key=lake.access_key_id.get_secret_value(),
        secret_key=lake.secret_access_key.get_secret_value(),
        endpoint_override=host,
        scheme=scheme,
        region=lake.region,
    )
