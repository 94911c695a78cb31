"""The gates: one eligibility test each, in the order in which the first one that fails gives the reason.

Invariant: a gate is a pure function of one row's columns; null never counts as passed unless the gate says so. A rule
that a campaign does not declare stops nobody. To add a gate, add one entry to `GATES`, its reason to
`schemas/reasons.py` and its examples to the truth table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.campaigns.hours import QUIET, WINDOW
from pipelines.decide.choice import is_chosen
from pipelines.decide.timing import HOLDS, is_delayed, time_shown
from pipelines.experiments import HOLDOUT_POINTS, holdout_point
from schemas.channels import CHANNELS


@dataclass(frozen=True)
class Gate:
    """`passes` and `evidence` are functions of no arguments because a Column needs a session to be built."""

    name: str
    reason: str
    passes: Callable[[], Column]
    evidence: Callable[[], Column]


#: Topics that need no opt-in: the customer asked for the thing itself. A recorded withdrawal still counts.
OPT_OUT_TOPICS = ("transactional",)


def _address() -> Column:
    """The address of the row's channel; an empty string is no address."""
    chosen = F.coalesce(
        *[F.when(F.col("channel") == c.name, F.col(f"customer.{c.address_column}")) for c in CHANNELS]
    )
    return F.when(F.trim(chosen) != "", chosen)


def _consent() -> Column:
    # `granted` is null when nobody ever recorded a choice.
    default = F.col("consent_topic").isin(*OPT_OUT_TOPICS)
    return F.coalesce(F.col("granted"), default)


def _invalid_channels() -> Column:
    return F.coalesce(F.col("customer.invalid_channels"), F.array().cast("array<string>"))


def _own_point() -> Column:
    return holdout_point(F.col("campaign_id"), F.col("customer_id"))


def _house_point() -> Column:
    return holdout_point(F.col("policy.house_holdout_seed"), F.col("customer_id"))


def _takes_part(share: str, point: Callable[[], Column]) -> Column:
    # The point is drawn only where somebody is held out: MD5 of everybody costs as much as all other gates.
    bound = F.coalesce(F.col(f"policy.{share}"), F.lit(0))
    return F.when(bound > 0, point() >= bound).otherwise(F.lit(True))


def _drawn(share: str, point: Callable[[], Column]) -> Column:
    bound = F.col(f"policy.{share}")
    words = (point(), F.lit(f"of {HOLDOUT_POINTS}, held out below"), bound)
    return F.when(bound > 0, F.concat_ws(" ", *words))


def _is_open(rule: str) -> Column:
    # While the delay runs the hour does not matter: the one in which it falls due will.
    closed = F.coalesce(F.col("excluded_by") == rule, F.lit(False))
    return is_delayed() | ~closed


GATES: tuple[Gate, ...] = (
    Gate(
        "campaign_known",
        "unknown_campaign",
        lambda: F.col("campaign_version").isNotNull(),
        lambda: F.col("campaign_version"),
    ),
    Gate(
        "campaign_active",
        "campaign_paused",
        lambda: F.col("campaign_status") == "active",
        lambda: F.col("campaign_status"),
    ),
    Gate(
        "first_time",
        "duplicate_trigger",
        lambda: ~F.col("is_repeated"),
        lambda: F.col("is_repeated").cast("string"),
    ),
    Gate(
        "not_cancelled",
        "cancelled",
        lambda: F.col("cancelled_by").isNull(),
        lambda: F.col("cancelled_by"),
    ),
    Gate(
        "reentry_allowed",
        "reentry",
        lambda: F.col("reentered").isNull(),
        lambda: F.concat_ws(" ", F.col("reentered.source_id"), F.lit("at"), F.col("reentered.sent_at")),
    ),
    Gate(
        "not_expired",
        "expired",
        lambda: F.col("deadline").isNull() | (F.col("deadline") > F.col("decided_at")),
        lambda: F.col("deadline").cast("string"),
    ),
    Gate(
        "customer_known",
        "unknown_customer",
        lambda: F.col("customer.customer_id").isNotNull(),
        lambda: F.col("customer.customer_id").isNotNull().cast("string"),
    ),
    Gate(
        "in_audience",
        "outside_audience",
        lambda: F.col("outside_of").isNull(),
        lambda: F.col("outside_of"),
    ),
    Gate("address_present", "no_address", lambda: _address().isNotNull(), lambda: F.col("channel")),
    Gate(
        "address_valid",
        "invalid_address",
        lambda: ~F.array_contains(_invalid_channels(), F.col("channel")),
        lambda: F.array_join(_invalid_channels(), ","),
    ),
    Gate(
        "not_suppressed",
        "suppressed",
        lambda: F.col("suppressed_by").isNull(),
        lambda: F.col("suppressed_by"),
    ),
    Gate(
        "consent_given",
        "no_consent",
        _consent,
        lambda: F.concat_ws("/", F.col("consent_topic"), F.col("channel"), F.col("granted").cast("string")),
    ),
    Gate(
        "not_held_out",
        "holdout",
        lambda: _takes_part("holdout_bp", _own_point),
        lambda: _drawn("holdout_bp", _own_point),
    ),
    Gate(
        "not_held_out_by_house",
        "house_holdout",
        lambda: _takes_part("house_holdout_bp", _house_point),
        lambda: _drawn("house_holdout_bp", _house_point),
    ),
    Gate(QUIET, "quiet_hours", lambda: _is_open(QUIET), time_shown),
    Gate(WINDOW, "outside_window", lambda: _is_open(WINDOW), time_shown),
    Gate("channel_choice", "channel_not_chosen", is_chosen, lambda: F.col("chosen_channel")),
)

#: The gates that say whether a customer can be reached on the row's channel.
REACH = ("address_present", "address_valid", "not_suppressed", "consent_given")


def reachable() -> Column:
    """Whether the gates of `REACH` pass."""
    passes = [F.coalesce(gate.passes(), F.lit(False)) for gate in GATES if gate.name in REACH]
    return reduce(lambda one, other: one & other, passes)


def judge(rows: DataFrame) -> DataFrame:
    """Add `gates` (every verdict, gates before holds), `reason` (of the first that does not pass, null when all do) and
    `due_at` (until when the first hold lasts, null unless that is the reason). Grain unchanged."""
    passed = F.struct(*[F.coalesce(gate.passes(), F.lit(False)).alias(gate.name) for gate in GATES])
    dues = F.struct(*[hold.due().alias(hold.name) for hold in HOLDS])
    tried = rows.select("*", passed.alias("_passed"), dues.alias("_due"))
    made = tried.select("*", _first_reason().alias("reason"), _verdicts().alias("gates"))
    held = F.coalesce(*[F.col(f"_due.{hold.name}") for hold in HOLDS])
    is_held = F.col("reason").isin(*[hold.reason for hold in HOLDS])
    return made.select("*", F.when(is_held, held).alias("due_at")).drop("_passed", "_due")


def _verdicts() -> Column:
    """array<struct<gate string, passed boolean, value string>>"""
    tested = [(gate.name, F.col(f"_passed.{gate.name}"), gate.evidence()) for gate in GATES]
    waited = [(hold.name, F.col(f"_due.{hold.name}").isNull(), hold.evidence()) for hold in HOLDS]
    return F.array(
        *[
            F.struct(F.lit(name).alias("gate"), passed.alias("passed"), value.cast("string").alias("value"))
            for name, passed, value in tested + waited
        ]
    )


def _first_reason() -> Column:
    failed = [F.when(~F.col(f"_passed.{gate.name}"), F.lit(gate.reason)) for gate in GATES]
    waits = [F.when(F.col(f"_due.{hold.name}").isNotNull(), F.lit(hold.reason)) for hold in HOLDS]
    return F.coalesce(*failed, *waits)
