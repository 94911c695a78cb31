"""The fuse of a campaign: so many of its messages fail that the cause is the campaign, not its recipients.

Invariant: one message's failure never stops another message. A fuse that blows only says why; whoever counts pauses
what it counted. Counts live as long as their counter: a driver that is started again begins with none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipelines.accounts import AccountRow
from pipelines.books import Books
from pipelines.campaigns import Campaign
from pipelines.edges.control import ControlPoint, RunControl, watch
from pipelines.edges.objects import ObjectStore
from pipelines.edges.pauses import CampaignPauses
from schemas.reasons import reason as reason_named

#: Beyond so many times the fuse's minimum, all counts are halved, so that a fault that begins late shows.
_MEMORY = 8
#: The producer of a trigger is at fault, not the campaign: the others' messages are sent.
_NOT_COUNTED = "invalid_data"


class FuseCounter:
    """Counts the messages of one campaign version, published and failed."""

    def __init__(self, campaign: Campaign) -> None:
        self._fuse = campaign.fuse
        self._published = 0
        self._failed: Counter[str] = Counter()

    def add(self, published: int, failed: Mapping[str, int]) -> str | None:
        """Why the fuse blows, in words; None while it holds. `failed` is by reason, and holds what
        was left out on purpose, too, which does not count. Counting begins anew when it blows."""
        self._published += published
        self._failed.update({name: count for name, count in failed.items() if _counts(name)})
        bad = self._failed.total()
        everything = self._published + bad
        if everything < self._fuse.messages:
            return None
        if 100 * bad > self._fuse.percent * everything:
            reasons = ", ".join(f"{name} {count:,}" for name, count in self._failed.most_common())
            self._published, self._failed = 0, Counter()
            return (
                f"{bad:,} of the last {everything:,} messages failed ({reasons}), and its fuse allows "
                f"{self._fuse.percent:g} %"
            )
        if everything > _MEMORY * self._fuse.messages:
            self._published //= 2
            self._failed = Counter({name: count // 2 for name, count in self._failed.items()})
        return None


class UnitFuses:
    """The fuses of campaign versions by all that the units of one pipeline publish, few at a time."""

    def __init__(self, objects: ObjectStore, pauses: CampaignPauses) -> None:
        self._objects = objects
        self._pauses = pauses
        self._counters: dict[str, FuseCounter] = {}

    def mind(
        self, versions: Mapping[str, Campaign], books: Books, runs: Mapping[str, Iterable[str]]
    ) -> dict[str, str]:
        """Pause the campaigns of which too many messages failed, from the next unit on; why, by campaign. Of a campaign
        with `runs`, which hold what was published here, these are paused; one that has been resumed is not again."""
        blown = {}
        for digest, campaign in versions.items():
            published, failed = books.messages(campaign.campaign_id)
            why = self._counters.setdefault(digest, FuseCounter(campaign)).add(published, failed)
            if why is None:
                continue
            blown[campaign.campaign_id] = why
            own = runs.get(campaign.campaign_id, ())
            for pipeline in own:
                RunControl(self._objects, pipeline).blow(why)
            if not own:
                self._pauses.pause(campaign.campaign_id, why, digest)
        return blown


class RunFuses:
    """The fuses of a run's campaigns, by what one task has published; those of a stream are minded by its driver, who
    sees all epochs, and has no `control`."""

    def __init__(self, control: ControlPoint | None, campaigns: Iterable[Campaign]) -> None:
        self._control = control
        self._counters = {each.campaign_id: FuseCounter(each) for each in campaigns}

    def mind(self, account: Sequence[AccountRow]) -> None:
        """Pause the run when one blows. A run that has been resumed is not paused again."""
        if self._control is None:
            return
        for campaign_id, counter in self._counters.items():
            own = [row for row in account if row[3] == campaign_id]
            published = sum(row[5] for row in own if row[0] == "published")
            failed = Counter(row[9] for row in own if row[9] is not None)
            if (why := counter.add(published, failed)) is not None:
                watch(self._control).blow(why)


def _counts(name: str) -> bool:
    return name != _NOT_COUNTED and reason_named(name).decision == "failed"
