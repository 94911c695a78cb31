"""What decisions read of a candidate: the columns that other stages join to it, and what they mean when absent.

Invariant: this is the one place where an absent column gets its neutral value, so that no gate asks if a stage ran.
All channels of one (origin, campaign, customer) are decided in the same unit: channel choice compares them.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.decide.policy import POLICY_TYPE

#: Column to type; null when the stage that fills it did not run.
#: suppressed_by: kind of suppression (hard_bounce, complaint, manual, domain, erased), null for none.
#: cancelled_by: id of the event that cancelled the trigger. reentered: the earlier send that the re-entry rule forbids
#: to repeat. is_due: the row is a hold that has fallen due, whose delay is served; all else is judged anew.
#: outside_of: the clause of the audience rule that the customer fails, null for members.
#: rate_free_at: from when on the campaign's delivery rate has room beside what is held already; null: at once.
JOINED: dict[str, str] = {
    "policy": POLICY_TYPE,
    "suppressed_by": "string",
    "cancelled_by": "string",
    "reentered": "struct<sent_at timestamp, source_id string>",
    "is_due": "boolean",
    "outside_of": "string",
    "rate_free_at": "timestamp",
}


def with_joined(candidates: DataFrame) -> DataFrame:
    """The candidates with every column of `JOINED`. Grain unchanged."""
    absent = [name for name in JOINED if name not in candidates.columns]
    return candidates.select("*", *[F.lit(None).cast(JOINED[name]).alias(name) for name in absent])
