"""The gates: one eligibility test each, in the order in which the first one that fails gives the reason.

Invariant: a gate is a pure function of one row's columns; null never counts as passed unless the gate says so.
To add a gate, add one entry to `GATES`, its reason to `schemas/reasons.py` and its examples to the truth table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

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
        "not_expired",
        "expired",
        lambda: F.col("expires_at").isNull() | (F.col("expires_at") > F.col("decided_at")),
        lambda: F.col("expires_at").cast("string"),
    ),
    Gate(
        "customer_known",
        "unknown_customer",
        lambda: F.col("customer.customer_id").isNotNull(),
        lambda: F.col("customer.customer_id").isNotNull().cast("string"),
    ),
    Gate("address_present", "no_address", lambda: _address().isNotNull(), lambda: F.col("channel")),
    Gate(
        "address_valid",
        "invalid_address",
        lambda: ~F.array_contains(_invalid_channels(), F.col("channel")),
        lambda: F.array_join(_invalid_channels(), ","),
    ),
    Gate(
        "consent_given",
        "no_consent",
        _consent,
        lambda: F.concat_ws("/", F.col("consent_topic"), F.col("channel"), F.col("granted").cast("string")),
    ),
)


def verdicts() -> Column:
    """Every gate's verdict: array<struct<gate string, passed boolean, value string>> in the order of `GATES`."""
    return F.array(
        *[
            F.struct(
                F.lit(gate.name).alias("gate"),
                F.coalesce(gate.passes(), F.lit(False)).alias("passed"),
                gate.evidence().cast("string").alias("value"),
            )
            for gate in GATES
        ]
    )


def first_reason() -> Column:
    """The reason of the first gate that did not pass; null when all did."""
    return F.coalesce(
        *[F.when(~F.coalesce(gate.passes(), F.lit(False)), F.lit(gate.reason)) for gate in GATES]
    )
