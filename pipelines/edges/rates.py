"""Delivery rates across units: until when a campaign's messages have taken up its rate, and whose they are.

Invariant: a unit reads where the earlier ones have got to, decides, and writes where it has got to itself within one
turn, so that of two units at once neither takes the other's place. A run that is cancelled sends nothing more, so its
places count no longer; of what it has just sent that forgets a minute at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign
from pipelines.considered import Considered, campaigns_of
from pipelines.decide.timing import TIMESTAMP
from pipelines.decided import Decided
from pipelines.edges.control import stopped_runs
from pipelines.edges.objects import ObjectStore
from pipelines.runs import is_run

_MINUTE = timedelta(minutes=1)
#: Whose places those are that an older version noted, which did not say.
_NOBODY = ""


class Rates:
    """The rates of one lake, as objects `rates/{campaign_id}.json`."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def free_at(self, campaigns: Iterable[Campaign]) -> dict[str, datetime]:
        """For each campaign whose rate has been used: from when on it has room. One request each, and one more when
        runs are among those that have used it."""
        names = [campaign.campaign_id for campaign in campaigns]
        found = {name: self.places(name) for name in names}
        gone: set[str] = set()
        if any(is_run(pipeline) for places in found.values() for pipeline in places):
            gone = set(stopped_runs(self._objects).cancelled)
        left = {
            name: [until for pipeline, until in places.items() if pipeline not in gone]
            for name, places in found.items()
        }
        return {name: max(untils) for name, untils in left.items() if untils}

    def places(self, campaign_id: str) -> dict[str, datetime]:
        """Until when each pipeline has taken places, as far as that was not past when it was written down."""
        said = self._objects.read_json(_name(campaign_id)) or {"places": {}}
        places = said["places"] if "places" in said else {_NOBODY: said["free_at"]}
        return {pipeline: datetime.fromisoformat(until) for pipeline, until in places.items()}

    def note(
        self,
        rated: Iterable[Campaign],
        clock: datetime,
        placed: Mapping[str, Decided],
        free_at: Mapping[str, datetime],
    ) -> None:
        """Note, in a turn, how far a unit of that clock has used up rates that had room from `free_at` on. `placed`:
        its decisions, by the pipeline whose places they take."""
        for campaign in rated:
            start = max(clock, free_at.get(campaign.campaign_id, clock))
            taken = _taken(campaign, start, placed)
            if taken:
                self._take(campaign.campaign_id, clock, taken)

    def _take(self, campaign_id: str, clock: datetime, taken: Mapping[str, datetime]) -> None:
        before = self.places(campaign_id)
        later = {name: until for name, until in taken.items() if name not in before or before[name] < until}
        if later:
            # Who comes next begins behind this unit's clock: what ends before it is in nobody's way.
            kept = {name: until for name, until in before.items() if until > clock}
            said = {name: until.isoformat() for name, until in sorted({**kept, **later}.items())}
            self._objects.write_json(_name(campaign_id), {"places": said})


def _taken(campaign: Campaign, start: datetime, placed: Mapping[str, Decided]) -> dict[str, datetime]:
    """Until when each pipeline's messages have places, of a unit whose first place is at `start`."""
    assert campaign.rate is not None
    name, own = campaign.campaign_id, _MINUTE / campaign.rate.per_minute
    found = {who: one for who, decided in placed.items() for one in decided.placed([name])}
    end = start + sum(messages for _, messages, _ in found.values()) * own
    end = max([end, *(last + own for _, _, last in found.values() if last is not None)])
    # Several share the unit's minutes: of each no more is known than the minute of its last message.
    return {who: min(end, (last or start) + _MINUTE) for who, (_, _, last) in found.items()}


def rated_among(candidates: pa.Table | Considered, campaigns: Iterable[Campaign]) -> list[Campaign]:
    """The campaigns whose delivery rate these candidates can take up: what has waited for its place has it already,
    unless it has missed it."""
    rated = [campaign for campaign in campaigns if campaign.rate]
    if isinstance(candidates, Considered) or not rated:
        return rated
    return campaigns_of(candidates.filter(pc.invert(_have_turns(candidates))), rated)


def newly_placed(decided: Decided, candidates: pa.Table | Considered, pipeline: str) -> dict[str, Decided]:
    """The decisions of a pipeline's unit but for those about candidates that had their place before, by the pipeline
    whose places they take: the run's that holds the message, where one does."""
    if isinstance(candidates, Considered) or decided.rows is None:
        return {pipeline: decided}
    new = candidates.filter(pc.invert(_have_turns(candidates)))
    holders = pa.repeat(pipeline, new.num_rows)
    if "run" in new.column_names:
        holders = pc.coalesce(new["run"].combine_chunks(), holders)
    own = {
        name: new["decision_id"].filter(pc.equal(holders, name)) for name in pc.unique(holders).to_pylist()
    }
    rows = decided.rows
    return {
        name: Decided.few(rows.filter(pc.is_in(rows["decision_id"], value_set=ids.combine_chunks())))
        for name, ids in own.items()
    }


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
