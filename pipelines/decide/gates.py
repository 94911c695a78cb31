"""The gates: one eligibility test each, in the order in which the first one that fails gives the reason.

Invariant: a gate is a pure function of one row's columns; null never counts as passed unless the gate says so. A rule
that a campaign does not declare stops nobody. To add a gate, add one entry to `GATES`, its reason to
`schemas/reasons.py` and its examples to the truth table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns.hours import QUIET, WINDOW
from pipelines.decide.choice import is_chosen
from pipelines.decide.reentry import earlier_shown
from pipelines.decide.rows import Rows
from pipelines.decide.timing import as_text, time_shown
from pipelines.experiments import HOLDOUT_POINTS, holdout_points
from schemas.channels import CHANNELS


@dataclass(frozen=True)
class Gate:
    """`passes` gives a boolean for each row (null: not passed), `evidence` the value that decided, as text."""

    name: str
    reason: str
    passes: Callable[[Rows], pa.Array]
    evidence: Callable[[Rows], pa.Array]


#: Topics that need no opt-in: the customer asked for the thing itself. A recorded withdrawal still counts.
OPT_OUT_TOPICS = ("transactional",)


def _is_null(name: str) -> Callable[[Rows], pa.Array]:
    return lambda rows: pc.is_null(rows.column(name))


def _shown(name: str) -> Callable[[Rows], pa.Array]:
    return lambda rows: rows.column(name)


def _has_address(rows: Rows) -> pa.Array:
    """Whether there is an address of the row's channel; blanks are none."""
    found = rows.all(False)
    for channel in CHANNELS:
        text = pc.utf8_trim_whitespace(rows.customer(channel.address_column))
        is_here = pc.and_(pc.equal(rows.column("channel"), channel.name), pc.not_equal(text, ""))
        found = pc.or_(found, pc.fill_null(is_here, False))
    return found


def _invalid_channels(rows: Rows) -> pa.Array:
    return pc.fill_null(pc.binary_join(rows.customer("invalid_channels"), ","), "")


def _is_valid_address(rows: Rows) -> pa.Array:
    invalid = pc.binary_join_element_wise("", _invalid_channels(rows), "", ",")
    wanted = rows.column("channel")
    is_invalid = rows.all(False)
    for channel in CHANNELS:
        named = pc.and_(pc.equal(wanted, channel.name), pc.match_substring(invalid, f",{channel.name},"))
        is_invalid = pc.or_(is_invalid, pc.fill_null(named, False))
    return pc.if_else(pc.is_null(wanted), pa.scalar(None, pa.bool_()), pc.invert(is_invalid))


def _consents(rows: Rows) -> pa.Array:
    # `granted` is null when nobody ever recorded a choice.
    is_opt_out = pc.is_in(rows.column("consent_topic"), value_set=pa.array(OPT_OUT_TOPICS))
    return pc.coalesce(rows.column("granted"), is_opt_out)


def _consent_shown(rows: Rows) -> pa.Array:
    # Never all null: Arrow drops such a row when it skips nulls.
    topic = pc.fill_null(rows.column("consent_topic"), "")
    said = (topic, rows.column("channel"), pc.cast(rows.column("granted"), pa.string()))
    return pc.binary_join_element_wise(*said, "/", null_handling="skip")


def _takes_part(share: str, seed: Callable[[Rows], pa.Array]) -> Callable[[Rows], pa.Array]:
    def passes(rows: Rows) -> pa.Array:
        # The point is drawn only where somebody is held out: MD5 of everybody costs as much as all other gates.
        bound = rows.rule(share) or 0
        if not bound:
            return rows.all(True)
        return pc.greater_equal(_points(rows, share, seed), bound)

    return passes


def _drawn(share: str, seed: Callable[[Rows], pa.Array]) -> Callable[[Rows], pa.Array]:
    def shows(rows: Rows) -> pa.Array:
        bound = rows.rule(share) or 0
        if not bound:
            return rows.all(None, pa.string())
        points = pc.cast(_points(rows, share, seed), pa.string())
        return pc.binary_join_element_wise(points, f" of {HOLDOUT_POINTS}, held out below {bound}", "")

    return shows


def _points(rows: Rows, share: str, seed: Callable[[Rows], pa.Array]) -> pa.Array:
    """Drawn once, for the verdict and for its evidence."""
    name = f"{share}.points"
    if name not in rows.computed:
        rows.computed[name] = holdout_points(seed(rows), rows.column("customer_id"))
    return rows.computed[name]


def _own_seed(rows: Rows) -> pa.Array:
    return rows.column("campaign_id")


def _house_seed(rows: Rows) -> pa.Array:
    return rows.all(rows.rule("house_holdout_seed"), pa.string())


def _is_open(rule: str) -> Callable[[Rows], pa.Array]:
    def passes(rows: Rows) -> pa.Array:
        # While the delay runs the hour does not matter: the one in which it falls due will.
        closed = pc.fill_null(pc.equal(rows.column("excluded_by"), rule), False)
        return pc.or_(rows.column("is_delayed"), pc.invert(closed))

    return passes


def _in_time(rows: Rows) -> pa.Array:
    deadline = rows.column("deadline")
    return pc.or_kleene(pc.is_null(deadline), pc.greater(deadline, pa.scalar(rows.clock, deadline.type)))


def _as_words(name: str) -> Callable[[Rows], pa.Array]:
    return lambda rows: pc.cast(rows.column(name), pa.string())


GATES: tuple[Gate, ...] = (
    Gate(
        "campaign_known",
        "unknown_campaign",
        lambda rows: pc.is_valid(rows.column("campaign_version")),
        _shown("campaign_version"),
    ),
    Gate(
        "campaign_active",
        "campaign_paused",
        lambda rows: pc.equal(rows.column("campaign_status"), "active"),
        _shown("campaign_status"),
    ),
    Gate(
        "first_time",
        "duplicate_trigger",
        lambda rows: pc.invert(rows.column("is_repeated")),
        _as_words("is_repeated"),
    ),
    Gate("not_cancelled", "cancelled", _is_null("cancelled_by"), _shown("cancelled_by")),
    Gate("reentry_allowed", "reentry", _is_null("reentered"), earlier_shown),
    Gate("not_expired", "expired", _in_time, lambda rows: as_text(rows.column("deadline"))),
    Gate(
        "customer_known",
        "unknown_customer",
        lambda rows: pc.is_valid(rows.customer("customer_id")),
        lambda rows: pc.cast(pc.is_valid(rows.customer("customer_id")), pa.string()),
    ),
    Gate("in_audience", "outside_audience", _is_null("outside_of"), _shown("outside_of")),
    Gate("address_present", "no_address", _has_address, _shown("channel")),
    Gate("address_valid", "invalid_address", _is_valid_address, _invalid_channels),
    Gate("not_suppressed", "suppressed", _is_null("suppressed_by"), _shown("suppressed_by")),
    Gate("consent_given", "no_consent", _consents, _consent_shown),
    Gate("not_held_out", "holdout", _takes_part("holdout_bp", _own_seed), _drawn("holdout_bp", _own_seed)),
    Gate(
        "not_held_out_by_house",
        "house_holdout",
        _takes_part("house_holdout_bp", _house_seed),
        _drawn("house_holdout_bp", _house_seed),
    ),
    Gate(QUIET, "quiet_hours", _is_open(QUIET), time_shown),
    Gate(WINDOW, "outside_window", _is_open(WINDOW), time_shown),
    Gate("channel_choice", "channel_not_chosen", is_chosen, _shown("chosen_channel")),
)

#: The gates that say whether a customer can be reached on the row's channel.
REACH = ("address_present", "address_valid", "not_suppressed", "consent_given")


def passed(gate: Gate, rows: Rows) -> pa.Array:
    """The gate's verdicts, without nulls."""
    return pc.fill_null(gate.passes(rows), False)


def reachable(rows: Rows) -> pa.Array:
    """Whether the gates of `REACH` pass."""
    return reduce(pc.and_, [passed(gate, rows) for gate in GATES if gate.name in REACH])
