"""Channel choice: of the channels by which a customer can be reached, the one that a campaign wants.

Invariant: of one (origin, campaign, customer) at most one channel is chosen, unless the campaign wants all. While a
message waits nothing is chosen: the channels are compared when it falls due.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.decide.timing import is_delayed

KEY = ("origin", "campaign_id", "customer_id")


def with_choice(rows: DataFrame, reachable: Column, is_asked: bool) -> DataFrame:
    """Add `chosen_channel`: null when the campaign wants all, when none is reachable, or while the message waits.
    Grain unchanged. `is_asked` false: no campaign of the unit chooses, and nothing is compared."""
    if not is_asked:
        return rows.select("*", F.lit(None).cast("string").alias("chosen_channel"))
    rank = F.array_position("policy.channels", F.col("channel"))
    is_preferred = (F.col("policy.channel_choice") == "preferred") & (
        F.col("customer.preferred_channel") == F.col("channel")
    )
    place = F.struct(F.when(is_preferred, F.lit(0)).otherwise(rank).alias("rank"), F.col("channel"))
    waits = is_delayed() | F.col("opens_at").isNotNull()
    chooses = (F.col("policy.channel_choice") != "all") & ~waits
    ranked = rows.select("*", F.when(chooses & reachable, place).alias("_place"))
    best = F.min("_place").over(Window.partitionBy(*KEY))
    return ranked.select("*", F.when(chooses, best["channel"]).alias("chosen_channel")).drop("_place")


def is_chosen() -> Column:
    """Whether the row's channel is the one, or there was nothing to choose."""
    return F.col("chosen_channel").isNull() | (F.col("chosen_channel") == F.col("channel"))
