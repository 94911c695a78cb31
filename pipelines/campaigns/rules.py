"""Checks of a campaign's rules that need more than one key: properties that are declared, hours that open, caps that
count, predicates.

Invariant: a rule that could never apply, or never let a message through, is told before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.campaigns.errors import Problem, did_you_mean
from pipelines.campaigns.hours import DAY, NO_RULES, closures, is_never_open
from pipelines.campaigns.model import Campaign
from pipelines.campaigns.predicates import CLOCK, predicate_faults
from pipelines.campaigns.timing import parse_delay
from pipelines.campaigns.types import canonical_ddl
from schemas.ddl import DdlError
from schemas.tables.audience import TABLE as AUDIENCE

CAMPAIGN_FILE = "campaign.yaml"
_HOUSE_CAPS = "what holds for other campaigns belongs into the settings' decide.frequency_caps"


def check_properties_declared(campaign: Campaign) -> Iterator[Problem]:
    """Rules of the trigger name properties that `data` declares."""
    needed = campaign.trigger.properties_needed() if campaign.trigger else []
    for key, name in needed:
        if name not in campaign.data:
            declared = ", ".join(campaign.data) or "none"
            hint = did_you_mean(name, campaign.data, f"Declare it: data: {{{name}: string}}")
            yield Problem(
                CAMPAIGN_FILE, f"trigger.{key}", f"'{name}' is not declared in 'data'", declared, hint
            )


def check_hours_open(campaign: Campaign) -> Iterator[Problem]:
    """Quiet hours and send window leave some minute of the week."""
    if is_never_open(closures(campaign, NO_RULES)):
        yield Problem(
            CAMPAIGN_FILE,
            "send_window",
            "the window lies within quiet_hours: nothing could ever be sent",
            "",
            "Widen 'send_window', or shorten 'quiet_hours'",
        )


def check_delay_ends_open(campaign: Campaign) -> Iterator[Problem]:
    """What waits for a local time does not fall due when the campaign excludes."""
    delay = campaign.trigger.delay if campaign.trigger else None
    rule = parse_delay(delay) if delay else None
    if rule is None or rule.minute is None:
        return
    days = range(7) if rule.weekday is None else (rule.weekday,)
    excluding = [one for one in closures(campaign, NO_RULES) if one.otherwise == "exclude"]
    closing = [
        next((one.reason for one in excluding if one.is_closed(day * DAY + rule.minute)), None)
        for day in days
    ]
    if None not in closing:
        yield Problem(
            CAMPAIGN_FILE,
            "trigger.delay",
            f"'{delay}' falls due when {closing[0]} excludes: nothing could ever be sent",
            "",
            f"Choose another time, or write 'otherwise: hold' in '{closing[0]}'",
        )


def check_caps_apply(campaign: Campaign) -> Iterator[Problem]:
    """A cap of the campaign counts what the campaign itself sends, else it would never stop it."""
    category = campaign.category or campaign.topic
    for number, cap in enumerate(campaign.frequency_caps):
        if cap.category not in (None, category):
            source = "category" if campaign.category else "topic"
            yield Problem(
                CAMPAIGN_FILE,
                f"frequency_caps[{number}].category",
                f"'{cap.category}' is not the campaign's own category: the cap would never stop it",
                f"'{category}' (from '{source}'), or no 'category' for this campaign's own messages",
                f"Write 'category: {category}', or set the campaign's 'category'; {_HOUSE_CAPS}",
            )
        if cap.channel is not None and cap.channel not in campaign.channels:
            yield Problem(
                CAMPAIGN_FILE,
                f"frequency_caps[{number}].channel",
                f"the campaign does not send by '{cap.channel}': the cap would never stop it",
                f"{', '.join(campaign.channels)}, or no 'channel' for all",
                f"Name a channel of 'channels', or add '{cap.channel}' there; {_HOUSE_CAPS}",
            )


def check_predicates(campaign: Campaign) -> Iterator[Problem]:
    """The audience rule over the snapshot's columns, conditions over the declared properties."""
    if campaign.audience:
        columns = {column.name: column.type for column in AUDIENCE.columns} | {CLOCK: "timestamp"}
        yield from _faults("audience.where", campaign.audience.where, columns)
    if campaign.trigger is None:
        return
    try:
        declared = {name: canonical_ddl(text) for name, text in campaign.data.items()}
    except DdlError:  # told by the check of the types
        return
    if campaign.trigger.when:
        yield from _faults("trigger.when", campaign.trigger.when, declared)
    for number, rule in enumerate(campaign.trigger.cancel_on):
        if rule.when:
            yield from _faults(f"trigger.cancel_on[{number}].when", rule.when, declared)


def _faults(key: str, text: str, columns: Mapping[str, str]) -> Iterator[Problem]:
    for found, fix in predicate_faults(text, columns):
        yield Problem(CAMPAIGN_FILE, key, found, "", fix)
