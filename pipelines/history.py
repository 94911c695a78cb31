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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.decide.policy import policy_row
from pipelines.decide.rows import JOINED, whole_array
from pipelines.latest import latest
from schemas.ddl import arrow_type

#: The longest a period of the calendar can be, and a day for the recipient's zone.
_CALENDAR = {"day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32)}


@dataclass(frozen=True)
class Asked:
    """What the campaigns of a unit ask of the past."""

    caps: timedelta | None  # how far back; None: no caps
    reentry: frozenset[str]  # the campaigns with a re-entry rule
    reentry_span: timedelta | None  # how far back these look; None: to the beginning

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
    # A release may know two versions of a campaign.
    policies = [(one.campaign_id, policy_row(one, house)) for one in known]
    spans = [
        _CALENDAR.get(cap["per"]) or timedelta(seconds=cap["seconds"])
        for _, policy in policies
        for cap in policy["caps"] or ()
    ]
    rules = {name: policy["reentry"] for name, policy in policies if policy["reentry"]}
    seconds = [rule["seconds"] for rule in rules.values()]
    is_bounded = bool(rules) and all(rule["kind"] == "span" for rule in rules.values())
    return Asked(
        caps=max(spans, default=None),
        reentry=frozenset(rules),
        reentry_span=timedelta(seconds=max(seconds)) if is_bounded else None,
    )


#: A message that was sent; `at` is when that was decided.
SENT_COLUMNS = ("customer_id", "at", "campaign_id", "category", "channel", "message_id", "source_id", "data")
#: Of these, what caps count by.
_CAPPED = ("at", "campaign_id", "category", "channel", "message_id")


#: Where those come from: what a run reads of the ledger's decisions to send.
CAPPED_FROM = ("customer_id", "decision_id", "decided_at", *_CAPPED[1:])


def sent_before(customer_ids: pa.Array, sent: pa.Table, stopped: pa.Table) -> pa.Array:
    """`sent_before` of these customers' candidates as `pipelines.decide.caps` reads it, null for nothing. `sent`:
    decisions to send, in the columns of `CAPPED_FROM`; `stopped`: those among them whose message did not render, which
    was not sent then."""
    is_stopped = pc.is_in(sent["decision_id"], value_set=whole_array(stopped["decision_id"]))
    counted = sent.filter(pc.invert(is_stopped)).rename_columns({"decided_at": "at"})
    return _by_customer(customer_ids, counted)


def _by_customer(customer_ids: pa.Array, sent: pa.Table) -> pa.Array:
    """The messages that were sent to each of these customers, each message once: a make-up run sends it again under
    its id."""
    kind = arrow_type(JOINED["sent_before"])
    if pc.count_distinct(sent["message_id"]).as_py() < sent.num_rows:
        sent = latest(sent, ("message_id",), ("at",))
    names = pc.unique(sent["customer_id"])
    whose = pc.index_in(whole_array(sent["customer_id"]), value_set=names).to_numpy()
    ordered = sent.select(_CAPPED).take(pa.array(np.argsort(whose, kind="stable"))).combine_chunks()
    fields = [whole_array(ordered[field.name]).cast(field.type) for field in kind.value_type]
    messages = pa.StructArray.from_arrays(fields, fields=list(kind.value_type))
    starts = np.append(0, np.cumsum(np.bincount(whose, minlength=len(names)))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(starts), messages).cast(kind)
    return lists.take(pc.index_in(customer_ids, value_set=names))


def attach_past(candidates: pa.Table, sent: pa.Table, asked: Asked, clock: datetime) -> pa.Table:
    """Add `sent_before`, and `entries`: the earlier messages of a campaign with a re-entry rule, on whatever channel.
    Null for nothing; grain unchanged. `sent` in `SENT_COLUMNS`. Only triggered campaigns have re-entry rules, so that a
    run needs none."""
    ids = whole_array(candidates["customer_id"])
    capped = sent.slice(0, 0)
    if asked.caps is not None:
        first = pa.scalar((clock - asked.caps).date())
        capped = sent.filter(pc.greater_equal(sent["at"].cast(pa.date32()), first))
    entries: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in sent.filter(
        pc.is_in(sent["campaign_id"], value_set=pa.array(asked.reentry, pa.string()))
    ).to_pylist():
        told = {"sent_at": one["at"], "source_id": one["source_id"], "data": one["data"]}
        entries[one["campaign_id"], one["customer_id"]].append(told)
    keys = zip(candidates["campaign_id"].to_pylist(), ids.to_pylist(), strict=True)
    found = pa.array([entries.get(key) for key in keys], arrow_type(JOINED["entries"]))
    return candidates.append_column("sent_before", _by_customer(ids, capped)).append_column("entries", found)
