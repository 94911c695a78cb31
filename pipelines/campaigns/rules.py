"""Checks of a campaign's rules that need more than one key: properties that are declared, hours that open.

Invariant: a rule that could never apply, or never let a message through, is told before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.campaigns.errors import Problem, did_you_mean
from pipelines.campaigns.hours import NO_RULES, closures, is_never_open
from pipelines.campaigns.model import Campaign

CAMPAIGN_FILE = "campaign.yaml"


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
