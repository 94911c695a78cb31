"""A day of the stream and its runs in plain Python: epochs, releases and runs, one after the other.

Invariant: it keeps its own tables (`tests.oracle.past`) and shares with the pipeline the ids alone. Gates and hours are
those of `tests.oracle.decisions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.identity import uuid5
from tests.oracle.decisions import Scenario, Verdict, judge
from tests.oracle.past import Past, Sent, when
from tests.oracle.rules import Row

#: (pipeline, source id, campaign, customer, channel): what a decision is about.
Key = tuple[str, str, str, str, str | None]


@dataclass
class Day:
    """Feed it what the stream gets; `decided` is what the ledger must hold."""

    people: dict[str, Row]
    campaigns: dict[str, Campaign]
    house: Decide
    past: Past
    #: What the `when` of a trigger means, by campaign.
    conditions: dict[str, Callable[[Row], bool]]
    decided: dict[Key, list[Verdict]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)

    def epoch(self, now: datetime, records: Iterable[tuple[str, Row]]) -> None:
        """One epoch: (topic, document) in the order in which they lie in their topics."""
        given = [(topic, self._origin(topic), document) for topic, document in records]
        events = [(origin, one) for topic, origin, one in given if topic == "customer.events"]
        for _, one in events:
            self.past.hear(one, now)
        ended = self._ended(events, now)
        rows = []
        for topic, origin, one in given:
            rows += self._triggered(one, origin) if topic == "campaign.triggers" else self._fired(one, origin)
        firsts: set[str] = set()
        for row in sorted(rows, key=lambda row: str(row["origin"])):
            row["is_repeated"] = row["message_id"] in self.past.seen or row["message_id"] in firsts
            firsts.add(row["message_id"])
        self._decide("triggered", now, rows + [{**row, "is_due": False} for row in ended])

    def release(self, now: datetime) -> int:
        """What is due by now is decided again; returns how many."""
        due = [row for row in self.past.holds.values() if row["due_at"] <= now]
        self._decide("triggered-holds", now, [{**row, "is_due": True} for row in due])
        return len(due)

    def run(
        self, campaign: Campaign, run_id: str, now: datetime, outside: Callable[[Row], str | None]
    ) -> None:
        """A scheduled run; `outside` says which clause of the audience rule somebody fails."""
        rows = []
        for name, person in self.people.items():
            for channel in campaign.channels:
                row = self._row("run", run_id, campaign.campaign_id, name, channel, now, {}, "run")
                rows.append({**row, "outside_of": outside(person)})
        pipeline = f"run-{campaign.campaign_id}-{run_id}"
        self._decide(pipeline, now, [row for row in rows if self._is_recorded(row, campaign)])

    def _is_recorded(self, row: Row, campaign: Campaign) -> bool:
        return row["outside_of"] is None or bool(campaign.audience and campaign.audience.record_outside)

    def _origin(self, topic: str) -> str:
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        return f"{topic}/0/{offset}"

    def _triggered(self, one: Row, origin: str) -> list[Row]:
        campaign = self.campaigns.get(one["campaign_id"])
        known = campaign if campaign and campaign.kind == "triggered" else None
        ends = {"expires_at": when(one["expires_at"]) if one.get("expires_at") else None}
        about = (one["trigger_id"], one["campaign_id"], one["customer_id"])
        return [
            {**self._row("trigger", *about, channel, when(one["occurred_at"]), one["data"], origin), **ends}
            for channel in (known.channels if known else (None,))
        ]

    def _fired(self, one: Row, origin: str) -> list[Row]:
        rows = []
        for name, campaign in self.campaigns.items():
            rule = campaign.trigger
            if rule is None or rule.event != one["type"] or not self.conditions[name](one["properties"]):
                continue
            about = (one["event_id"], name, one["customer_id"])
            at = when(one["occurred_at"])
            rows += [
                self._row("event", *about, channel, at, one["properties"], origin)
                for channel in campaign.channels
            ]
        return rows

    def _row(
        self,
        source: str,
        source_id: str,
        campaign_id: str,
        customer_id: str,
        channel: str | None,
        occurred_at: datetime,
        data: Row,
        origin: str,
    ) -> Row:
        return {
            "source": source,
            "source_id": source_id,
            "campaign_id": campaign_id,
            "customer_id": customer_id,
            "channel": channel,
            "occurred_at": occurred_at,
            "expires_at": None,
            "data": data,
            "origin": origin,
            "message_id": uuid5(campaign_id, source_id, customer_id, channel or ""),
            "is_repeated": False,
            "is_due": None,
            "outside_of": None,
            "rate_free_at": None,
            "run": None,
        }

    def _ended(self, events: list[tuple[str, Row]], now: datetime) -> list[Row]:
        """Note the cancelling events; the waiting messages that events of this epoch end."""
        new = Past(self.past.snapshot_as_of)
        erased = {one["customer_id"] for _, one in events if one["type"] == "customer.erased"}
        for _, one in events:
            for name, campaign in self.campaigns.items():
                for rule in campaign.trigger.cancel_on if campaign.trigger else ():
                    if rule.event == one["type"]:
                        said: Row = {"campaign_id": name, "match": rule.match, "event_id": one["event_id"]}
                        said["at"] = min(when(one["occurred_at"]), now)
                        said["value"] = one["properties"].get(rule.match) if rule.match else None
                        for known in (new, self.past):
                            known.cancellations.setdefault(one["customer_id"], []).append(said)
        return [
            row for row in self.past.holds.values() if row["customer_id"] in erased or new.cancelled(row, now)
        ]

    def _decide(self, pipeline: str, now: datetime, rows: list[Row]) -> None:
        together: dict[tuple[str, str, str], list[Row]] = {}
        for row in rows:
            campaign = self._known(row)
            row["customer"] = self.people.get(row["customer_id"])
            row["campaign_status"] = campaign.status if campaign else None
            row["granted"] = self.past.granted(row, campaign)
            row["suppressed_by"] = "suppressed" if self.past.suppressed(row) else None
            row["cancelled_by"] = "cancelled" if self.past.cancelled(row, now) else None
            row["entries"] = [{"sent_at": now}] if self.past.reentered(row, campaign, now) else None
            about = (row["origin"], row["campaign_id"], row["customer_id"], row["channel"] or "")
            row["decision_id"] = uuid5(pipeline, *about)
            together.setdefault((row["campaign_id"], row["origin"], row["customer_id"]), []).append(row)
        verdicts: list[Verdict] = []
        for group in together.values():
            verdicts += judge(Scenario(self._known(group[0]), self.house, now, tuple(group)))
        self._enter_once(verdicts)
        self._take_places(verdicts, now)
        for verdict in verdicts:
            self._record(pipeline, verdict, now)

    def _known(self, row: Row) -> Campaign | None:
        campaign = self.campaigns.get(row["campaign_id"])
        return campaign if campaign and (campaign.kind == "triggered") == (row["source"] != "run") else None

    def _enter_once(self, verdicts: list[Verdict]) -> None:
        """Of those that a re-entry rule does not allow together, the first by the trigger's time."""
        entered: dict[tuple[Any, ...], str] = {}
        for one in sorted(verdicts, key=lambda v: (v.row["occurred_at"], v.row["decision_id"])):
            campaign = self._known(one.row)
            rule = campaign.trigger.reentry if campaign and campaign.trigger else None
            if rule is None or one.reason is not None:
                continue
            entity = one.row["data"].get(rule.declared_property) if rule.declared_property else ""
            if entity is None:
                continue
            key = (one.row["campaign_id"], one.row["customer_id"], entity)
            if key not in entered:
                entered[key] = one.row["source_id"]
            elif entered[key] != one.row["source_id"]:
                one.reason = "reentry"

    def _take_places(self, verdicts: list[Verdict], now: datetime) -> None:
        """Frequency caps: by priority, then by the trigger's time, then by message id."""
        winners: dict[str, list[Sent]] = {}

        def precedence(verdict: Verdict) -> tuple[Any, ...]:
            campaign = self._known(verdict.row)
            rank = -campaign.priority if campaign else 0
            return (rank, verdict.row["occurred_at"], verdict.row["message_id"])

        for one in sorted((v for v in verdicts if v.reason is None), key=precedence):
            row, campaign = one.row, self._known(one.row)
            assert campaign is not None
            mine = winners.setdefault(row["customer_id"], [])
            one.reason = self.past.full(row, campaign, self.house, now, mine)
            if one.reason is None:
                mine.append(
                    Sent(now, campaign, row["channel"], row["message_id"], row["source_id"], row["data"])
                )

    def _record(self, pipeline: str, verdict: Verdict, now: datetime) -> None:
        row, campaign = verdict.row, self._known(verdict.row)
        about = (row["source_id"], row["campaign_id"], row["customer_id"], row["channel"])
        self.decided.setdefault((pipeline, *about), []).append(verdict)
        self.past.seen.add(row["message_id"])
        if row["is_due"] is not None:
            del self.past.holds[row["message_id"]]
        if verdict.decision == "held":
            held = {**row, "due_at": verdict.due_at, "held_at": now, "is_repeated": False}
            held["origin"] = f"hold/{_micros(verdict.due_at)}/{row['source']}/{row['source_id']}"
            self.past.holds[row["message_id"]] = held
        if verdict.decision == "sent" and campaign is not None:
            made = Sent(now, campaign, row["channel"], row["message_id"], row["source_id"], row["data"])
            self.past.sent.setdefault(row["customer_id"], []).append(made)


def _micros(at: datetime | None) -> int:
    assert at is not None
    return round(at.timestamp() * 1_000_000)
