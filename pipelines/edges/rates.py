"""Delivery rates across units: until when a campaign's messages have taken up its rate.

Invariant: a unit reads where the earlier ones have got to when it is pinned, and writes where it has got to itself from
its own decisions; starting it again writes the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.edges.objects import ObjectStore

_MINUTE = timedelta(minutes=1)


class Rates:
    """The rates of one lake, as objects `rates/{campaign_id}.json`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def free_at(self, campaigns: Iterable[Campaign]) -> dict[str, str]:
        """For each campaign with a rate that has been used: from when on it has room (RFC 3339)."""
        rated = [campaign.campaign_id for campaign in campaigns if campaign.rate]
        found = {name: self._objects.read_json(_name(name)) for name in rated}
        return {name: str(said["free_at"]) for name, said in found.items() if said}

    def take(self, campaign: Campaign, start: datetime, messages: int, last: datetime | None) -> None:
        """So many messages have a place from `start` on, the last of them at `last` unless all are sent at once."""
        assert campaign.rate is not None
        end = start + messages / campaign.rate.per_minute * _MINUTE
        if last is not None:
            end = max(end, last + _MINUTE / campaign.rate.per_minute)
        said = self._objects.read_json(_name(campaign.campaign_id))
        if said is None or datetime.fromisoformat(said["free_at"]) < end:
            self._objects.write_json(_name(campaign.campaign_id), {"free_at": end.isoformat()})


def free_at_column(free_at: dict[str, str]) -> Column:
    """`rate_free_at`, as `pipelines.decide.inputs` reads it."""
    found = F.lit(None).cast("timestamp")
    for name, at in sorted(free_at.items()):
        found = F.when(F.col("campaign_id") == name, F.lit(datetime.fromisoformat(at))).otherwise(found)
    return found


def _name(campaign_id: str) -> str:
    return f"rates/{campaign_id}.json"
