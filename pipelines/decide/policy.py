"""A campaign's declared rules in plain units, as the one text `policy` that travels with its candidates.

Invariant: decisions read rules from here alone, so that stream and run cannot differ. Rules of the house are merged in.
It judges nobody.
"""

from __future__ import annotations

import json
from typing import Any

from conf.house import Decide, HouseCap
from conf.spans import period_seconds, span_seconds
from pipelines.campaigns import CampaignSpec
from pipelines.campaigns.hours import NO_RULES, closures, hours
from pipelines.campaigns.limits import FrequencyCap, Rate
from pipelines.campaigns.timing import parse_delay
from pipelines.campaigns.trigger import EVER, Reentry
from pipelines.experiments import cumulate

#: Units: `_s` seconds, `_bp` hundredths of a percent, minutes of the local day, weekdays from 0 (Monday).
#: delay.kind: span (seconds), time (minute), weekday (minute, weekday); see `pipelines.campaigns.timing`.
#: reentry.kind: ever, span (seconds), property (property).
#: variants: names and the weight up to and including each.
#: caps: `counts` says whose messages: campaign (this one's), category (all of `category`), all; `per` is span
#: (seconds), day, week or month of the recipient's calendar; null channel: all channels.
#: rate: steps; from the message `first` (0 is the first of the unit) on, from `minute` after the decision on,
#: `per_minute` a minute. holding, excluding: see `pipelines.campaigns.hours`.


def policy_row(campaign: CampaignSpec, house: Decide = NO_RULES) -> dict[str, Any]:
    """The rules by name; None where none is declared."""
    trigger = campaign.trigger
    holding, excluding = hours(closures(campaign, house))
    is_transactional = campaign.topic == "transactional"
    return {
        "default_time_zone": campaign.default_time_zone,
        "category": campaign.category or campaign.topic,
        "priority": campaign.priority,
        "delay": _delay(trigger.delay) if trigger and trigger.delay else None,
        "expires_after_s": span_seconds(trigger.expires_after) if trigger and trigger.expires_after else None,
        "reentry": _reentry(trigger.reentry) if trigger and trigger.reentry else None,
        "holding": holding,
        "excluding": excluding,
        "caps": _caps(campaign, house) or None,
        "rate": _rate(campaign.rate) if campaign.rate else None,
        "variants": cumulate(campaign.variants),
        "holdout_bp": _basis_points(campaign.holdout.percent) if campaign.holdout else 0,
        "house_holdout_bp": 0 if is_transactional else _basis_points(house.holdout_percent),
        "house_holdout_seed": house.holdout_seed,
        "channels": list(campaign.channels),
        "channel_choice": campaign.channel_choice,
    }


def policy_text(campaign: CampaignSpec, house: Decide = NO_RULES) -> str:
    """The same as JSON: equal rules are equal texts."""
    return json.dumps(policy_row(campaign, house), sort_keys=True, separators=(",", ":"))


def _delay(text: str) -> dict[str, Any]:
    rule = parse_delay(text)
    return {"kind": rule.kind, "seconds": rule.seconds, "minute": rule.minute, "weekday": rule.weekday}


def _reentry(rule: Reentry) -> dict[str, Any]:
    kind = EVER if rule.once_per == EVER else "property" if rule.declared_property else "span"
    return {"kind": kind, "seconds": rule.seconds, "property": rule.declared_property}


def _caps(campaign: CampaignSpec, house: Decide) -> list[dict[str, Any]]:
    own = [_cap(rule, "category" if rule.category else "campaign") for rule in campaign.frequency_caps]
    if campaign.topic == "transactional":
        return own
    return own + [_cap(rule, "category" if rule.category else "all") for rule in house.frequency_caps]


def _cap(rule: FrequencyCap | HouseCap, counts: str) -> dict[str, Any]:
    seconds = period_seconds(rule.per)
    return {
        "counts": counts,
        "at_most": rule.at_most,
        "per": rule.per if seconds is None else "span",
        "seconds": seconds,
        "channel": rule.channel,
        "category": rule.category,
    }


def _rate(rate: Rate) -> list[dict[str, int]]:
    steps, first, minute = [], 0, 0
    for step in rate.ramp:
        steps.append({"first": first, "minute": minute, "per_minute": step.per_minute})
        first += step.minutes * step.per_minute
        minute += step.minutes
    return [*steps, {"first": first, "minute": minute, "per_minute": rate.per_minute}]


def _basis_points(percent: float) -> int:
    return round(percent * 100)
