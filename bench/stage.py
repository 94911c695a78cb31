"""The stage of `bench.publish`: servers, a session, campaigns, and audiences of any size promoted as a build would.

Invariant: a topic that is about to be measured is empty and new, so the broker's disk holds one measurement at a time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone

from pyspark.sql import DataFrame

import conf
from bench.decide import open_session
from bench.mailing import SCHEDULED, TRIGGERED, audience
from embedded.servers import EmbeddedServers
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.campaign_store import CampaignStore
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from schemas.tables import table
from schemas.topics import topic

_AUDIENCE = table("audience")


class Stage:
    """One lake, one broker, one session."""

    def __init__(self, servers: EmbeddedServers) -> None:
        self.servers = servers
        #: What a job's process is started with.
        self.environment: Mapping[str, str] = {**os.environ, **servers.environment()}
        self.settings = conf.load("local", environ=self.environment)
        self.client = self.settings.kafka.librdkafka()
        self.spark = open_session(self.settings)
        self.objects = ObjectStore(self.settings.lake)
        self.lake = DeltaLake(self.spark, self.settings.lake)
        store = CampaignStore(self.objects)
        for campaign in (*SCHEDULED.values(), TRIGGERED):
            store.publish(campaign)

    def promote(self, customers: int) -> DataFrame:
        """An audience of that size becomes the one in force; returns it as anybody would read it."""
        self.lake.replace(_AUDIENCE, audience(self.spark, customers))
        version = self.lake.version(_AUDIENCE)
        as_of = datetime.now(timezone.utc).isoformat()
        AudiencePointer(self.objects).promote(Snapshot(version, as_of, customers, "bench"))
        return self.lake.read(_AUDIENCE, version)

    def empty(self, name: str) -> None:
        """A new topic of that name."""
        self.servers.kafka.recreate_topics([topic(name)])
