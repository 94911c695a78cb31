"""The closed set of reasons for which somebody is not sent to, or a record is put aside.

Invariant: a code that stands in the ledger or in a dead letter's header stands here, with the one decision it
leads to. The order is the order of decisiveness: of several reasons that apply to a recipient, the first one
here is the ledger's `reason`. Codes are never renamed or reused; adding one is a minor change of the
contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["sent", "held", "excluded", "failed"]
DECISIONS: tuple[Decision, ...] = ("sent", "held", "excluded", "failed")
DEAD_LETTER: Literal["dead_letter"] = "dead_letter"
Outcome = Literal["held", "excluded", "failed", "dead_letter"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry: what the code leads to, and what it means to the person who asks why."""

    code: str
    decision: Outcome
    meaning: str


REASONS: tuple[Reason, ...] = (
    # Decode: the record itself is unusable; its bytes go to campaign.dead-letters.
    Reason("too_large", "dead_letter", "The record, or an id in it, is longer than Carillon reads."),
    Reason("invalid_utf8", "dead_letter", "The bytes are not UTF-8 text."),
    Reason("not_json", "dead_letter", "The text is not JSON, or there is no value at all."),
    Reason("unknown_version", "dead_letter", "`schema_version` is not one this version of Carillon reads."),
    Reason("missing_field", "dead_letter", "A required field is absent, null or empty."),
    Reason(
        "wrong_type",
        "dead_letter",
        "A field has another JSON type than the contract says, or a time is not RFC 3339.",
    ),
    # Decide: the gates, first failing gate first.
    Reason("unknown_campaign", "excluded", "No campaign of that id has been published."),
    Reason("campaign_paused", "excluded", "The campaign is paused."),
    Reason("duplicate_trigger", "excluded", "A trigger or event with this id was decided before."),
    Reason(
        "cancelled",
        "excluded",
        "An event of the campaign's `cancel_on` came before the message was sent, or its run was cancelled meanwhile.",
    ),
    Reason(
        "reentry", "excluded", "The customer had the campaign before, and its `reentry` rule forbids another."
    ),
    Reason(
        "expired",
        "excluded",
        "The trigger's `expires_at` or the campaign's `expires_after` had passed when it was decided.",
    ),
    Reason("unknown_customer", "excluded", "The customer is not in the pinned audience snapshot."),
    Reason(
        "outside_audience",
        "excluded",
        "The customer is outside the campaign's audience rule, which records whom it leaves out.",
    ),
    Reason("no_address", "excluded", "The customer has no address on this channel."),
    Reason("invalid_address", "excluded", "The customer's address on this channel is not well-formed."),
    Reason(
        "suppressed",
        "excluded",
        "The address is suppressed: it bounced, complained, or is on a list; or erased.",
    ),
    Reason(
        "no_consent", "excluded", "The customer has not consented to this channel and topic, or withdrew it."
    ),
    Reason(
        "holdout", "excluded", "The customer is in the campaign's holdout, by which its effect is measured."
    ),
    Reason(
        "house_holdout", "excluded", "The customer is in the holdout of the house: no campaign reaches it."
    ),
    Reason(
        "quiet_hours", "excluded", "It is quiet hours on the customer's clock, and the rule says exclude."
    ),
    Reason(
        "outside_window",
        "excluded",
        "The send window is closed on the customer's clock, and it says exclude.",
    ),
    Reason("channel_not_chosen", "excluded", "The campaign wants one channel, and another one was chosen."),
    # Decide: compared with what was sent before, and with the other candidates of the unit.
    Reason(
        "frequency_capped", "excluded", "The customer has had as many messages as a frequency cap allows."
    ),
    Reason(
        "lost_to_priority",
        "excluded",
        "A message of this unit with precedence took the last place that a frequency cap left.",
    ),
    # Decide: nothing stands against it but the time.
    Reason("held_delay", "held", "The trigger's delay has not passed."),
    Reason("held_quiet_hours", "held", "It is quiet hours on the customer's clock; `due_at` is their end."),
    Reason(
        "held_window", "held", "The send window is closed on the customer's clock; `due_at` is its opening."
    ),
    Reason("held_rate", "held", "The campaign's delivery rate is used up; `due_at` is the message's turn."),
    Reason("invalid_data", "failed", "The trigger's data does not have the types the campaign declares."),
    # Render: the recipient was eligible, the content decided otherwise.
    Reason("aborted", "excluded", "The template called abort(); its words are in `detail`."),
    Reason(
        "no_template",
        "failed",
        "No template for the customer's locale nor for the campaign's default locale.",
    ),
    Reason("render_undefined", "failed", "The template used a value that this recipient does not have."),
    Reason("render_type", "failed", "The template did something with a value that its type does not allow."),
    Reason("render_limit", "failed", "The rendered output, a loop or the time spent went over its bound."),
    Reason("render_error", "failed", "The template failed for this recipient in another way; see `detail`."),
    Reason("message_too_large", "failed", "The rendered message alone is larger than a send batch may be."),
    # Publish: an operator ended the run.
    Reason("cancelled_run", "excluded", "The run was cancelled before this message was published."),
)

REASON_CODES: tuple[str, ...] = tuple(row.code for row in REASONS)


def reason(code: str) -> Reason:
    """The reason of that code; a KeyError that says where to add it otherwise."""
    for row in REASONS:
        if row.code == code:
            return row
    raise KeyError(f"unknown reason '{code}': add it to schemas/reasons.py")


def codes_of(outcome: Outcome) -> tuple[str, ...]:
    """The codes that lead to an outcome, most decisive first."""
    return tuple(row.code for row in REASONS if row.decision == outcome)
