"""Frequency caps and arbitration: how many messages one customer gets, and which ones when there are too many.

Invariant: candidates of one customer are taken by priority, then by the time of their trigger, then by message id; each
is let through when every one of its caps has room after those that were let through before it. So the highest priority
is never displaced by a lower one, and the outcome does not depend on the order of rows. It reads no table: what was
sent before comes as the column `sent_before`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.decide.policy import POLICY_FIELDS

#: What was sent to a customer in the longest period of any cap: when, by which campaign, of which category and channel.
SENT_TYPE = (
    "array<struct<at timestamp, campaign_id string, category string, channel string, message_id string>>"
)

_VERDICT = "struct<reason string, value string>"


def apply_caps(judged: DataFrame, is_alone: bool) -> DataFrame:
    """Set `reason` where a cap excludes a row that has none, and append the verdicts of the gates 'frequency_cap' and
    'arbitration'. Grain unchanged: one row per decision_id.

    `judged`: candidates with `policy`, `decided_at`, `zone`, `gates`, `sent_before` (`SENT_TYPE`, null for nothing) and
    `reason`: null for those that passed all gates and need not wait. What waits takes nobody's place now.
    `is_alone`: no two rows are of one customer, so nothing has to be brought together."""
    ready = judged.withColumn("-contender", F.when(F.col("reason").isNull(), _contender()))
    if is_alone:
        rivals = F.array("-contender")
    else:
        rivals = F.collect_list("-contender").over(Window.partitionBy("customer_id"))
    ready = ready.withColumn("-rivals", rivals)
    ready = ready.withColumn("-verdict", F.when(F.col("-contender").isNotNull(), _verdict()))
    reason, value = F.col("-verdict.reason"), F.col("-verdict.value")
    added = [
        _gate("frequency_cap", reason.isNull() | (reason != "frequency_capped"), value),
        _gate("arbitration", reason.isNull() | (reason != "lost_to_priority"), value),
    ]
    decided = ready.withColumn("reason", F.coalesce(F.col("reason"), reason))
    gates = F.concat(F.col("gates"), F.array(*added))
    return decided.withColumn("gates", gates).drop("-contender", "-rivals", "-verdict")


def _gate(name: str, passed: Column, value: Column) -> Column:
    relevant = F.when(~passed | F.lit(name == "frequency_cap"), value)
    return F.struct(F.lit(name).alias("gate"), passed.alias("passed"), relevant.alias("value"))


def _contender() -> Column:
    """What the comparison needs of a row; its fields are in the order of precedence."""
    caps = F.transform(F.coalesce(F.col("policy.caps"), F.array().cast(POLICY_FIELDS["caps"])), _since)
    return F.struct(
        (-F.coalesce(F.col("policy.priority"), F.lit(0))).alias("rank"),
        F.col("occurred_at").alias("occurred_at"),
        F.col("message_id").alias("message_id"),
        F.col("decision_id").alias("decision_id"),
        F.col("campaign_id").alias("campaign_id"),
        F.col("policy.category").alias("category"),
        F.col("channel").alias("channel"),
        F.col("decided_at").alias("at"),
        caps.alias("caps"),
    )


def _since(cap: Column) -> Column:
    """The cap with the moment from which on messages count, and its words."""
    zone = F.col("zone")
    local = F.from_utc_timestamp("decided_at", zone)
    starts = F.coalesce(
        *[
            F.when(cap["per"] == period, F.to_utc_timestamp(F.date_trunc(period, local), zone))
            for period in ("day", "week", "month")
        ]
    )
    rolling = F.timestamp_micros(F.unix_micros("decided_at") - cap["seconds"] * F.lit(1_000_000))
    period = F.when(cap["per"] == "span", _span(cap["seconds"])).otherwise(cap["per"])
    channel = F.coalesce(F.concat(F.lit(" "), cap["channel"]), F.lit(""))
    return F.struct(
        cap["counts"].alias("counts"),
        cap["at_most"].alias("at_most"),
        cap["channel"].alias("channel"),
        cap["category"].alias("category"),
        (cap["per"] == "span").alias("is_rolling"),
        F.coalesce(starts, rolling).alias("since"),
        F.concat(F.lit("cap "), cap["at_most"].cast("string"), F.lit("/"), period, channel).alias("words"),
    )


def _span(seconds: Column) -> Column:
    """7d, 36h, 90min or 45s."""
    shown = F.concat(seconds.cast("string"), F.lit("s"))
    for unit, letters in ((60, "min"), (3_600, "h"), (86_400, "d")):
        text = F.concat((seconds / unit).cast("bigint").cast("string"), F.lit(letters))
        shown = F.when(seconds % unit == 0, text).otherwise(shown)
    return shown


def _verdict() -> Column:
    """The verdict about this row, after all rivals that precede it were judged."""
    sent = F.coalesce(F.col("sent_before"), F.array().cast(SENT_TYPE))
    before = F.transform(sent, lambda one: _sent(one["at"], one, F.lit(None).cast("int")))
    start = F.struct(before.alias("sent"), F.lit(None).cast(_VERDICT).alias("own"))
    own_id = F.col("decision_id")

    def judge(state: Column, one: Column) -> Column:
        found = F.transform(one["caps"], lambda cap: _full(cap, one, state["sent"]))
        blocking = F.get(F.filter(found, _is_full), F.lit(0))
        verdict = F.when(
            blocking.isNotNull(),
            F.struct(
                F.when(blocking["rival"].isNull(), F.lit("frequency_capped"))
                .otherwise(F.lit("lost_to_priority"))
                .alias("reason"),
                blocking["value"].alias("value"),
            ),
        ).otherwise(F.lit(None).cast(_VERDICT))
        taken = F.concat(state["sent"], F.array(_sent(one["at"], one, -one["rank"])))
        return F.struct(
            F.when(blocking.isNull(), taken).otherwise(state["sent"]).alias("sent"),
            F.when(one["decision_id"] == own_id, verdict).otherwise(state["own"]).alias("own"),
        )

    return F.aggregate(F.array_sort(F.col("-rivals")), start, judge, lambda state: state["own"])


def _sent(at: Column, one: Column, priority: Column) -> Column:
    """A message that takes room; `priority` is null for one that was sent before."""
    return F.struct(
        at.alias("at"),
        one["campaign_id"].alias("campaign_id"),
        one["category"].alias("category"),
        one["channel"].alias("channel"),
        one["message_id"].alias("message_id"),
        priority.cast("int").alias("priority"),
    )


def _is_full(found: Column) -> Column:
    return found["count"] >= found["at_most"]


def _full(cap: Column, one: Column, sent: Column) -> Column:
    """How full a cap is for a row, in numbers and in words; `rival` is the campaign of this unit that took the last
    place, null when earlier messages alone fill it."""

    def counts(message: Column) -> Column:
        # A period of time excludes its own beginning: a message of exactly 7 days ago has left the 7 days.
        is_within = (message["at"] > cap["since"]) | (~cap["is_rolling"] & (message["at"] == cap["since"]))
        is_channel = cap["channel"].isNull() | (
            (cap["channel"] == message["channel"]) & (cap["channel"] == one["channel"])
        )
        is_counted = (
            F.when(cap["counts"] == "campaign", message["campaign_id"] == one["campaign_id"])
            .when(cap["counts"] == "category", message["category"] == cap["category"])
            .otherwise(F.lit(True))
        )
        # A message that is made up for does not stand in its own way.
        is_another = ~message["message_id"].eqNullSafe(one["message_id"])
        return is_within & is_channel & is_another & F.coalesce(is_counted, F.lit(False))

    counted = F.filter(sent, counts)
    earlier = F.filter(counted, lambda message: message["priority"].isNull())
    winners = F.filter(counted, lambda message: message["priority"].isNotNull())
    applies = cap["channel"].isNull() | (cap["channel"] == one["channel"])
    applies &= (cap["counts"] != "category") | (cap["category"] == one["category"])
    last = F.array_max(counted)
    fills_alone = F.size(earlier) >= cap["at_most"]
    winner = F.when(~fills_alone, F.get(winners, F.size(winners) - 1))
    at = F.date_format(last["at"], "yyyy-MM-dd'T'HH:mm'Z'")
    said = F.concat(cap["words"], F.lit(": "), F.size(earlier).cast("string"), F.lit(" sent"))
    told = F.when(
        winner.isNull(), F.concat(said, F.lit(", last "), at, F.lit(" by campaign "), last["campaign_id"])
    ).otherwise(
        F.concat(
            said,
            F.lit(", lost to campaign "),
            winner["campaign_id"],
            F.lit(" (priority "),
            winner["priority"].cast("string"),
            F.lit(")"),
        )
    )
    return F.struct(
        F.when(applies, F.size(counted)).otherwise(F.lit(-1)).alias("count"),
        cap["at_most"].alias("at_most"),
        winner["campaign_id"].alias("rival"),
        told.alias("value"),
    )
