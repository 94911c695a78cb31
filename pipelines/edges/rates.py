"""Delivery rates across units: until when a campaign's messages have taken up its rate.

Invariant: a unit reads where the earlier ones have got to, decides, and writes where it has got to itself within one
turn, so that of two units at once neither takes the other's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign
from pipelines.considered import Considered
from pipelines.decide.timing import TIMESTAMP
from pipelines.decided import Decided
from pipelines.edges.objects import ObjectStore

_MINUTE = timedelta(minutes=1)


class Rates:
    """The rates of one lake, as objects `rates/{campaign_id}.json`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def free_at(self, campaigns: Iterable[Campaign]) -> dict[str, datetime]:
        """For each campaign whose rate has been used: from when on it has room."""
        names = [campaign.campaign_id for campaign in campaigns]
        found = {name: self._objects.read_json(_name(name)) for name in names}
        return {name: datetime.fromisoformat(said["free_at"]) for name, said in found.items() if said}

    def note(
        self,
        rated: Iterable[Campaign],
        clock: datetime,
        decided: Decided,
        free_at: Mapping[str, datetime],
    ) -> None:
        """Note, in a turn, how far a unit of that clock has used up rates that had room from `free_at` on."""
        campaigns = {campaign.campaign_id: campaign for campaign in rated}
        for campaign_id, messages, last in decided.placed(sorted(campaigns)):
            self._take(campaigns[campaign_id], max(clock, free_at.get(campaign_id, clock)), messages, last)

    def _take(self, campaign: Campaign, start: datetime, messages: int, last: datetime | None) -> None:
        """So many messages have a place from `start` on, the last of them at `last` unless all are sent at once."""
        assert campaign.rate is not None
        end = start + messages / campaign.rate.per_minute * _MINUTE
        if last is not None:
            end = max(end, last + _MINUTE / campaign.rate.per_minute)
        said = self._objects.read_json(_name(campaign.campaign_id))
        if said is None or datetime.fromisoformat(said["free_at"]) < end:
            self._objects.write_json(_name(campaign.campaign_id), {"free_at": end.isoformat()})


def rated_among(candidates: pa.Table | Considered, campaigns: Iterable[Campaign]) -> list[Campaign]:
    """The campaigns whose delivery rate these candidates can take up: what has waited for its place has it already."""
    rated = [campaign for campaign in campaigns if campaign.rate]
    if isinstance(candidates, Considered) or not rated:
        return rated
    named = set(pc.unique(candidates.filter(pc.invert(_have_turns(candidates)))["campaign_id"]).to_pylist())
    return [campaign for campaign in rated if campaign.campaign_id in named]


def newly_placed(decided: Decided, candidates: pa.Table | Considered) -> Decided:
    """The decisions without those about candidates that had their place before."""
    if isinstance(candidates, Considered) or decided.rows is None:
        return decided
    had = candidates.filter(_have_turns(candidates))["decision_id"]
    is_old = pc.is_in(decided.rows["decision_id"], value_set=had.combine_chunks())
    return Decided.few(decided.rows.filter(pc.invert(is_old)))


def _have_turns(candidates: pa.Table) -> pa.Array:
    if "has_turn" not in candidates.column_names:
        return pa.repeat(False, candidates.num_rows)
    return pc.fill_null(candidates["has_turn"].combine_chunks(), False)


def free_at_of(candidates: pa.Table, free_at: Mapping[str, datetime]) -> pa.Array:
    """`rate_free_at` of each candidate, as `pipelines.decide.rows` describes it."""
    found = [free_at.get(campaign_id) for campaign_id in candidates["campaign_id"].to_pylist()]
    return pa.array(found, TIMESTAMP)


def _name(campaign_id: str) -> str:
    return f"rates/{campaign_id}.json"
