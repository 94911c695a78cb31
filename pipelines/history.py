"""What was sent before, read from the ledger, for frequency caps and re-entry rules.

Invariant: a message counts from the decision to send it, unless its rendering stopped it; only the days and the
customers that a rule can ask for are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.decide.policy import policy_row
from pipelines.decide.rows import JOINED
from schemas.ddl import arrow_type

#: The longest a period of the calendar can be, and a day for the recipient's zone.
_CALENDAR = {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}


@dataclass(frozen=True)
class Asked:
    """What the campaigns of a unit ask of the past."""

    caps: timedelta | None  # how far back; None: no caps
    reentry: frozenset[str]  # the campaigns with a re-entry rule
    reentry_span: timedelta | None  # how far back these look; None: to the beginning
    may_hold: bool  # whether any message can be held

    def since(self, clock: datetime) -> datetime | None:
        """From when on a triggered message can be asked about; None: from the beginning."""
        if self.reentry and self.reentry_span is None:
            return None
        return clock - max(filter(None, (self.caps, self.reentry_span)), default=timedelta(0))

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


#: A message that was sent; `at` is when that was decided.
SENT_COLUMNS = ("customer_id", "at", "campaign_id", "category", "channel", "message_id", "source_id", "data")
#: Of these, what caps count by.
_CAPPED = ("at", "campaign_id", "category", "channel", "message_id")


def select_sent(ledger: DataFrame, since: datetime) -> DataFrame:
    """The messages sent since that day. Grain: one row per decision."""
    rows = ledger.where(F.col("decided_date") >= F.lit(since.date()))
    sent = rows.where((F.col("stage") == "decide") & (F.col("decision") == "sent"))
    # A message that did not render was not sent. Its row has another stage and the same id, and is a rare one.
    stopped = rows.where(F.col("stage") == "render").select("decision_id")
    left = sent.join(stopped, on="decision_id", how="left_anti")
    return left.withColumnRenamed("decided_at", "at").select(*SENT_COLUMNS)


def join_sent(candidates: DataFrame, sent: DataFrame) -> DataFrame:
    """Add `sent_before` as `pipelines.decide.caps` reads it, null for nothing. Grain unchanged."""
    # Unique by customer_id.
    grouped = sent.groupBy("customer_id").agg(F.collect_list(F.struct(*_CAPPED)).alias("sent_before"))
    return candidates.join(grouped, on="customer_id", how="left")


def attach_past(candidates: pa.Table, sent: pa.Table, asked: Asked, clock: datetime) -> pa.Table:
    """Add `sent_before`, as `join_sent` does, and `entries`: the earlier messages of a campaign with a re-entry rule,
    on whatever channel. Null for nothing; grain unchanged. Only triggered campaigns have re-entry rules, so that a run
    needs none."""
    before: dict[str, list[dict[str, Any]]] = defaultdict(list)
    entries: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in sent.to_pylist():
        if asked.caps is not None and one["at"].date() >= (clock - asked.caps).date():
            before[one["customer_id"]].append({name: one[name] for name in _CAPPED})
        if one["campaign_id"] in asked.reentry:
            told = {"sent_at": one["at"], "source_id": one["source_id"], "data": one["data"]}
            entries[one["campaign_id"], one["customer_id"]].append(told)
    keys = zip(*(candidates[name].to_pylist() for name in ("campaign_id", "customer_id")), strict=True)
    columns = {
        "sent_before": [before.get(name) for name in candidates["customer_id"].to_pylist()],
        "entries": [entries.get(key) for key in keys],
    }
    for name, values in columns.items():
        candidates = candidates.append_column(name, pa.array(values, arrow_type(JOINED[name])))
    return candidates
