"""What was sent before, read from the ledger, for frequency caps and re-entry rules.

Invariant: a message counts from the decision to send it, unless its rendering stopped it; only the days and the
customers that a rule can ask for are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.decide.policy import policy_row

#: The longest a period of the calendar can be, and a day for the recipient's zone.
_CALENDAR = {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}


@dataclass(frozen=True)
class Asked:
    """What the campaigns of a unit ask of the past."""

    caps: timedelta | None  # how far back; None: no caps
    reentry: frozenset[str]  # the campaigns with a re-entry rule
    reentry_span: timedelta | None  # how far back these look; None: to the beginning
    may_hold: bool  # whether any message can be held

    @property
    def is_anything(self) -> bool:
        """Whether the past decides anything, so that no other unit may decide meanwhile."""
        return self.caps is not None or bool(self.reentry)


def asked_by(campaigns: Iterable[Campaign], house: Decide) -> Asked:
    """What these campaigns ask, with the rules of the house."""
    known = list(campaigns)
    policies = {one.campaign_id: policy_row(one, house) for one in known}
    spans = [
        _CALENDAR.get(cap["per"]) or timedelta(seconds=cap["seconds"])
        for policy in policies.values()
        for cap in policy["caps"] or ()
    ]
    rules = {name: policy["reentry"] for name, policy in policies.items() if policy["reentry"]}
    seconds = [rule["seconds"] for rule in rules.values()]
    is_bounded = bool(rules) and all(rule["kind"] == "span" for rule in rules.values())
    return Asked(
        caps=max(spans, default=None),
        reentry=frozenset(rules),
        reentry_span=timedelta(seconds=max(seconds)) if is_bounded else None,
        may_hold=any(p["delay"] or p["holding"] or p["rate"] for p in policies.values()),
    )


def select_sent(ledger: DataFrame, since: datetime | None, customers: DataFrame | None) -> DataFrame:
    """The messages sent since then, where given to these customers (few). Grain: one row per decision."""
    rows = ledger
    if since is not None:
        rows = rows.where(F.col("decided_date") >= F.lit(since.date()))
    if customers is not None:
        rows = rows.join(F.broadcast(customers), on="customer_id", how="left_semi")
    sent = rows.where((F.col("stage") == "decide") & (F.col("decision") == "sent"))
    # A message that did not render was not sent. Its row has another stage and the same id, and is a rare one.
    stopped = rows.where(F.col("stage") == "render").select("decision_id")
    return sent.join(stopped, on="decision_id", how="left_anti").select(
        "customer_id",
        F.col("decided_at").alias("at"),
        "campaign_id",
        "category",
        "channel",
        "message_id",
        "source_id",
        "data",
    )


def join_sent(candidates: DataFrame, sent: DataFrame, is_large: bool) -> DataFrame:
    """Add `sent_before` as `pipelines.decide.caps` reads it, null for nothing. Grain unchanged."""
    one = F.struct("at", "campaign_id", "category", "channel", "message_id")
    # Unique by customer_id.
    grouped = sent.groupBy("customer_id").agg(F.collect_list(one).alias("sent_before"))
    return candidates.join(grouped if is_large else F.broadcast(grouped), on="customer_id", how="left")


def join_reentry(candidates: DataFrame, sent: DataFrame, campaign_ids: Iterable[str]) -> DataFrame:
    """Add `entries`: the earlier messages of a campaign with a re-entry rule, null for none. Grain unchanged. For few
    candidates: only triggered campaigns have such rules."""
    known = sent.where(F.col("campaign_id").isin(*sorted(campaign_ids)))
    one = F.struct(F.col("at").alias("sent_at"), "source_id", "data")
    # Unique by (campaign_id, customer_id, channel).
    grouped = known.groupBy("campaign_id", "customer_id", "channel").agg(F.collect_list(one).alias("entries"))
    return candidates.join(F.broadcast(grouped), on=["campaign_id", "customer_id", "channel"], how="left")
