"""Who gets what and when, decided one by one in plain Python from the declarations: what the pipeline must agree with.

Invariant: no Spark, and nothing of `pipelines.decide`. Rows that are judged against each other are the rows of one
scenario. Caps, re-entry and what was before are in `tests.oracle.day`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from conf.house import Decide
from pipelines.campaigns import Campaign
from tests.oracle.rules import (
    Row,
    closed_by,
    deadline,
    delayed_until,
    held_out,
    opens_at,
    span,
    variant_of,
)

ADDRESS = {"email": "email", "sms": "phone", "push": "push_token"}


@dataclass
class Verdict:
    """What became of one row; `reason` None is sent. `passed`: gate to verdict."""

    row: Row
    reason: str | None = None
    due_at: datetime | None = None
    passed: dict[str, bool] = field(default_factory=dict)
    variant: str | None = None

    @property
    def decision(self) -> str:
        return "sent" if self.reason is None else "held" if self.reason.startswith("held_") else "excluded"


@dataclass(frozen=True)
class Scenario:
    """One campaign (None: unknown) and the rows that come to it in one unit."""

    campaign: Campaign | None
    house: Decide
    now: datetime
    rows: tuple[Row, ...]


def expect(scenario: Scenario) -> list[Verdict]:
    """The verdict of each row, by everything but the past and other campaigns."""
    verdicts = judge(scenario)
    _take_turns(scenario, verdicts)
    return verdicts


def judge(scenario: Scenario) -> list[Verdict]:
    """The verdict of each row by the gates and holds alone."""
    verdicts = [Verdict(row) for row in scenario.rows]
    for verdict in verdicts:
        _judge(verdict, scenario)
    return verdicts


def _judge(verdict: Verdict, scenario: Scenario) -> None:
    row, campaign, house, now = verdict.row, scenario.campaign, scenario.house, scenario.now
    verdict.variant = variant_of(campaign, row["customer_id"])
    until = delayed_until(row, campaign, now)
    waits = until is not None and until > now
    closed = closed_by(row, campaign, house, now, "exclude") if campaign and not waits else None
    end = deadline(row, campaign)
    gates = [
        ("campaign_known", "unknown_campaign", campaign is not None),
        ("campaign_active", "campaign_paused", campaign is not None and campaign.status == "active"),
        ("first_time", "duplicate_trigger", row["is_repeated"] is False),
        ("not_cancelled", "cancelled", row["cancelled_by"] is None),
        ("reentry_allowed", "reentry", not _has_reentered(row, campaign, now)),
        ("not_expired", "expired", end is None or end > now),
        ("customer_known", "unknown_customer", row["customer"] is not None),
        ("in_audience", "outside_audience", row["outside_of"] is None),
        *_reach(row, campaign),
        ("not_held_out", "holdout", not _is_held_out(row, campaign)),
        ("not_held_out_by_house", "house_holdout", not _is_held_out_by_house(row, campaign, house)),
        ("quiet_hours", "quiet_hours", closed != "quiet_hours"),
        ("send_window", "outside_window", closed != "send_window"),
        ("channel_choice", "channel_not_chosen", _is_chosen(row, scenario)),
    ]
    verdict.passed = {name: passes for name, _, passes in gates}
    verdict.reason = next((reason for _, reason, passes in gates if not passes), None)
    opening = opens_at(row, campaign, house, now) if campaign else None
    holder = closed_by(row, campaign, house, now, "hold") if campaign else None
    if verdict.reason is None and waits:
        verdict.reason, verdict.due_at = "held_delay", until
    elif verdict.reason is None and opening:
        verdict.reason = "held_quiet_hours" if holder == "quiet_hours" else "held_window"
        verdict.due_at = opening
    verdict.passed |= {
        "delay": not waits,
        "quiet_hours_hold": holder != "quiet_hours",
        "send_window_hold": holder != "send_window",
    }


def _reach(row: Row, campaign: Campaign | None) -> list[tuple[str, str, bool]]:
    person, channel, granted = row["customer"] or {}, row["channel"], row["granted"]
    address = person.get(ADDRESS.get(channel, ""))
    consented = granted if granted is not None else campaign is not None and campaign.topic == "transactional"
    return [
        ("address_present", "no_address", bool(address and address.strip())),
        (
            "address_valid",
            "invalid_address",
            channel is not None and channel not in (person.get("invalid_channels") or []),
        ),
        ("not_suppressed", "suppressed", row["suppressed_by"] is None),
        ("consent_given", "no_consent", consented),
    ]


def _has_reentered(row: Row, campaign: Campaign | None, now: datetime) -> bool:
    rule = campaign.trigger.reentry if campaign and campaign.trigger else None
    if rule is None:
        return False
    return any(
        # Entries of a rule per property are those of the row's own value: `Past.reentered` has compared them.
        rule.seconds is None or one["sent_at"] > now - span(rule.once_per)
        for one in row["entries"] or ()
        # The same trigger on another channel is no other message.
        if one.get("source_id") != row["source_id"]
    )


def _is_held_out(row: Row, campaign: Campaign | None) -> bool:
    if campaign is None or campaign.holdout is None:
        return False
    return held_out(campaign.campaign_id, row["customer_id"], campaign.holdout.percent)


def _is_held_out_by_house(row: Row, campaign: Campaign | None, house: Decide) -> bool:
    if campaign is None or campaign.topic == "transactional":
        return False
    return held_out(house.holdout_seed, row["customer_id"], house.holdout_percent)


def _is_chosen(row: Row, scenario: Scenario) -> bool:
    campaign, now = scenario.campaign, scenario.now
    if campaign is None or campaign.channel_choice == "all":
        return True
    key = (row["origin"], row["customer_id"])
    together = [other for other in scenario.rows if (other["origin"], other["customer_id"]) == key]
    wish = list(campaign.channels)
    preferred = (row["customer"] or {}).get("preferred_channel")
    if campaign.channel_choice == "preferred" and preferred in wish:
        wish.remove(preferred)
        wish.insert(0, preferred)
    until = delayed_until(row, campaign, now)
    if (until and until > now) or opens_at(row, campaign, scenario.house, now):
        return True
    reached = [o["channel"] for o in together if all(passes for _, _, passes in _reach(o, campaign))]
    chosen = next((channel for channel in wish if channel in reached), None)
    return chosen is None or chosen == row["channel"]


def _take_turns(scenario: Scenario, verdicts: list[Verdict]) -> None:
    """The delivery rate, message by message and minute by minute."""
    if scenario.campaign is None or scenario.campaign.rate is None:
        return
    rate, now = scenario.campaign.rate, scenario.now
    for has_turn in (True, False):
        queue = [v for v in verdicts if v.reason is None and bool(v.row["has_turn"]) is has_turn]
        queue.sort(key=lambda v: (v.row["occurred_at"], v.row["decision_id"]))
        # Minute by minute; what has waited for its turn has had its ramp.
        free = [step.per_minute for step in rate.ramp for _ in range(step.minutes)] if not has_turn else []
        start, minute, used = now, 0, 0
        if not has_turn:
            start = max([now, *(v.row["rate_free_at"] for v in verdicts if v.row["rate_free_at"])])
        for verdict in queue:
            while used >= (free[minute] if minute < len(free) else rate.per_minute):
                minute, used = minute + 1, 0
            used += 1
            turn = start + timedelta(minutes=minute)
            verdict.passed["rate"] = turn <= now
            if turn > now:
                verdict.reason, verdict.due_at = "held_rate", turn
