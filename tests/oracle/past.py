"""What is known of customers as time goes by, and what a rule about the past makes of it, in plain Python.

Invariant: no Spark, and no code of the pipeline but its ids; every answer is found by going through lists from their
beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from conf.house import Decide, HouseCap
from pipelines.campaigns import Campaign
from pipelines.campaigns.limits import FrequencyCap
from tests.oracle.clock import UTC, shown
from tests.oracle.rules import Row, span, zone_of


@dataclass(frozen=True)
class Sent:
    """One message that was sent."""

    at: datetime
    campaign: Campaign
    channel: str
    message_id: str
    source_id: str
    data: Row


@dataclass
class Past:
    """The tables of the lake, as lists by customer."""

    snapshot_as_of: datetime
    changes: dict[str, list[Row]] = field(default_factory=dict)
    suppressions: dict[str, list[Row]] = field(default_factory=dict)
    cancellations: dict[str, list[Row]] = field(default_factory=dict)
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    holds: dict[str, Row] = field(default_factory=dict)

    def hear(self, event: Row, now: datetime) -> None:
        """An event about consent, suppression or erasure, not later than now; anything else changes nothing."""
        at = min(when(event["occurred_at"]), now)
        said = {**event["properties"], "at": at, "id": event["event_id"]}
        if event["type"] == "consent.changed":
            self.changes.setdefault(event["customer_id"], []).append(said)
        elif event["type"] in ("customer.suppressed", "customer.erased"):
            said["is_erased"] = event["type"] == "customer.erased"
            self.suppressions.setdefault(event["customer_id"], []).append(said)

    def granted(self, row: Row, campaign: Campaign | None) -> bool | None:
        """Consent: the snapshot's answer, the newest word since, the stricter where nobody knows the order."""
        if campaign is None:
            return None
        about = (row["channel"], campaign.topic)
        listed = [
            one["granted"]
            for one in (row["customer"] or {}).get("consents") or []
            if (one["channel"], one["topic"]) == about
        ]
        answer = None if not listed else all(listed)
        later = [
            one for one in self.changes.get(row["customer_id"], []) if (one["channel"], one["topic"]) == about
        ]
        if not later:
            return answer
        last = max(one["at"] for one in later)
        word = all(one["granted"] for one in later if one["at"] == last)
        return word if last > self.snapshot_as_of or not word else answer

    def suppressed(self, row: Row) -> bool:
        """Whether the newest word on the channel, or on all channels, stands against writing."""
        said = self.suppressions.get(row["customer_id"], [])
        if any(one["is_erased"] for one in said):
            return True
        for channel in (None, row["channel"]):
            about = [one for one in said if one.get("channel") == channel]
            last = max((one["at"] for one in about), default=None)
            if any(one.get("suppressed", True) for one in about if one["at"] == last):
                return True
        return False

    def cancelled(self, row: Row, now: datetime) -> bool:
        """Whether an event drops it that is not older than its trigger, which is not of the future."""
        triggered = min(row["occurred_at"], row.get("held_at", now))
        for one in self.cancellations.get(row["customer_id"], []):
            is_same = one["match"] is None or (
                one["value"] is not None and one["value"] == row["data"].get(one["match"])
            )
            is_own = row["source"] == "event" and row["source_id"] == one["event_id"]
            is_late = one["at"] >= triggered
            if one["campaign_id"] == row["campaign_id"] and is_late and is_same and not is_own:
                return True
        return False

    def reentered(self, row: Row, campaign: Campaign | None, now: datetime) -> bool:
        """Whether the campaign's re-entry rule forbids it for what was sent before."""
        rule = campaign.trigger.reentry if campaign and campaign.trigger else None
        if rule is None or campaign is None:
            return False
        for one in self.sent.get(row["customer_id"], []):
            if one.campaign.campaign_id != campaign.campaign_id or one.source_id == row["source_id"]:
                continue
            entity = row["data"].get(rule.once_per)
            if (
                rule.once_per == "ever"
                or (rule.seconds is not None and one.at > now - timedelta(seconds=rule.seconds))
                or (rule.declared_property and entity is not None and one.data.get(rule.once_per) == entity)
            ):
                return True
        return False

    def full(
        self,
        row: Row,
        campaign: Campaign,
        house: Decide,
        now: datetime,
        winners: list[Sent],
    ) -> str | None:
        """The reason why a cap leaves no room after those sent before and the `winners` of this unit."""
        caps: list[FrequencyCap | HouseCap] = list(campaign.frequency_caps)
        if campaign.topic != "transactional":
            caps += house.frequency_caps
        for cap in caps:
            if cap.channel not in (None, row["channel"]):
                continue
            if cap.category not in (None, campaign.category or campaign.topic):
                continue

            def counted(messages: Iterable[Sent], rule: FrequencyCap | HouseCap = cap) -> int:
                return sum(_counts(rule, one, row, campaign, now) for one in messages)

            earlier = counted(self.sent.get(row["customer_id"], []))
            if earlier + counted(winners) >= cap.at_most:
                return "frequency_capped" if earlier >= cap.at_most else "lost_to_priority"
        return None


def _counts(cap: FrequencyCap | HouseCap, one: Sent, row: Row, campaign: Campaign, now: datetime) -> bool:
    if cap.channel not in (None, one.channel) or one.message_id == row["message_id"]:
        return False
    if cap.category is not None and cap.category != (one.campaign.category or one.campaign.topic):
        return False
    is_own_alone = isinstance(cap, FrequencyCap) and cap.category is None
    if is_own_alone and one.campaign.campaign_id != campaign.campaign_id:
        return False
    if cap.per not in ("day", "week", "month"):
        return one.at > now - span(cap.per)
    zone = zone_of(row, campaign)
    return _period(shown(one.at, zone), cap.per) == _period(shown(now, zone), cap.per)


def _period(local: datetime, per: str) -> tuple[int, ...]:
    """Which day, week or month of the calendar it is."""
    if per == "day":
        return (local.year, local.month, local.day)
    return local.isocalendar()[:2] if per == "week" else (local.year, local.month)


def when(text: str) -> datetime:
    """A time as producers write it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def properties(text: Any) -> Row:
    """The data of a trigger or event."""
    return dict(json.loads(text)) if isinstance(text, str) else dict(text)
