"""Whom a scheduled run considers: the snapshot's customers, those whom the audience rule names, on the run's channels.

Invariant: candidates and their ids are a function of the snapshot, the rule and what the manifest pins. Spark says who
is a member, of the rule's own columns; the customers are read as Arrow by the tasks that decide about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from pipelines.campaigns import Campaign
from pipelines.decide.rows import whole_array
from pipelines.decide.timing import TIMESTAMP
from pipelines.identity import crc32_of, uuid5_of

#: Members as Spark hands them over; grain: one row per (customer, channel). Without a channel: on each of the run's.
#: `outside_of`: the clause of the audience rule that the customer fails, null for members.
MEMBERS = pa.schema([("customer_id", pa.string()), ("channel", pa.string()), ("outside_of", pa.string())])


@dataclass(frozen=True)
class RunScope:
    """What the candidates of a run have in common; it travels to the executors."""

    pipeline: str
    send_partitions: int
    source_id: str
    campaign_id: str
    campaign_version: str
    campaign_status: str
    consent_topic: str
    channels: tuple[str, ...]
    clock: datetime

    @staticmethod
    def of(campaign: Campaign, digest: str, run_id: str, pipeline: str, clock: datetime, n: int) -> RunScope:
        """That of a run of this version of a campaign, over `n` send partitions."""
        status, topic = campaign.status, campaign.topic
        shared = (campaign.campaign_id, digest, status, topic, tuple(campaign.channels), clock)
        return RunScope(pipeline, n, run_id, *shared)

    def candidates(self, customers: pa.Table, members: pa.Table | None) -> pa.Table:
        """Grain: one row per decision_id, in the columns of candidates, with `customer` and `outside_of`. `members`
        None: all customers. A member without a row among the customers has none: who has left the snapshot since."""
        people = whole_array(customers.to_struct_array())
        ids = whole_array(customers["customer_id"])
        if members is not None:
            asked = whole_array(members["customer_id"])
            people, ids = people.take(pc.index_in(asked, value_set=ids)), asked
        nobody = pa.nulls(len(ids), pa.string())
        channels, outside_of = (
            nobody if members is None else whole_array(members[name]) for name in ("channel", "outside_of")
        )
        if channels.null_count:
            each = np.repeat(np.arange(len(ids)), len(self.channels))
            if len(self.channels) > 1:
                ids, people, outside_of = (
                    column.take(pa.array(each)) for column in (ids, people, outside_of)
                )
            channels = pa.array(self.channels).take(pa.array(np.arange(len(each)) % len(self.channels)))
        return self._candidates(ids, channels, people, outside_of)

    def _candidates(
        self, ids: pa.Array, channels: pa.Array, people: pa.Array, outside_of: pa.Array
    ) -> pa.Table:
        shared: dict[str, Any] = {
            "source": "run",
            "source_id": self.source_id,
            "campaign_id": self.campaign_id,
            "campaign_version": self.campaign_version,
            "campaign_status": self.campaign_status,
            "consent_topic": self.consent_topic,
            "data": "{}",
            "origin": "run",
        }
        columns = {name: pa.repeat(pa.scalar(value, pa.string()), len(ids)) for name, value in shared.items()}
        return pa.table(
            {
                "decision_id": uuid5_of((self.pipeline, "run", self.campaign_id), ids, channels),
                "message_id": uuid5_of((self.campaign_id, self.source_id), ids, channels),
                **columns,
                "channel": channels,
                "customer_id": ids,
                "send_partition": pa.array((crc32_of(ids) % self.send_partitions).astype(np.int32)),
                "occurred_at": pa.repeat(pa.scalar(self.clock, TIMESTAMP), len(ids)),
                "expires_at": pa.nulls(len(ids), TIMESTAMP),
                "customer": people,
                "outside_of": outside_of,
            }
        )


@dataclass(frozen=True)
class Considered:
    """The candidates of a run. `members` in the columns of `MEMBERS`; None: everybody in the snapshot."""

    scope: RunScope
    snapshot: DataFrame
    members: DataFrame | None

    def counts(self) -> list[dict[str, Any]]:
        """How many there are, by campaign and channel, as `count`: counted before anybody is decided about."""
        if self.members is None:
            found: dict[str | None, int] = {None: self.snapshot.count()}
        else:
            found = {
                row["channel"]: row["count"] for row in self.members.groupBy("channel").count().collect()
            }
        return [
            {"campaign_id": self.scope.campaign_id, "channel": channel, "count": count}
            for named, count in found.items()
            for channel in ([named] if named is not None else self.scope.channels)
        ]


def campaigns_of(candidates: pa.Table | Considered, campaigns: list[Campaign]) -> list[Campaign]:
    """Those of the campaigns that candidates are of; of a run, which pins its own alone, all."""
    if isinstance(candidates, Considered):
        return campaigns
    named = set(pc.unique(candidates["campaign_id"]).to_pylist())
    return [campaign for campaign in campaigns if campaign.campaign_id in named]
