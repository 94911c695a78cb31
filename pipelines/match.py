"""Triggers and customer events become candidates, an audience rule says who its members are: who is considered.

Invariant: nobody considered is lost. A trigger for an unknown campaign is still a candidate (without a channel), so
that its exclusion is recorded. A replayed record makes the same `decision_id`. Does not decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.house import Decide
from pipelines.campaigns import Campaign
from pipelines.campaigns.hours import NO_RULES
from pipelines.campaigns.predicates import CLOCK
from pipelines.decide.outside import outside_of
from pipelines.decide.policy import policy_text
from pipelines.errors import InputError
from pipelines.identity import message_id_column, send_partition_column, uuid5_column
from schemas.tables import table

#: What is known of a campaign when candidates are made: one row per active bundle.
CAMPAIGN_COLUMNS = (
    "campaign_id string, campaign_version string, campaign_status string, kind string, consent_topic string, "
    "channels array<string>, policy string"
)

#: As `select_events` returns them, as far as matching reads them.
EVENT_COLUMNS = (
    "topic string, partition int, offset bigint, event_id string, customer_id string, type string, "
    "occurred_at timestamp, properties string"
)

#: Names that no declared field can have, since theirs are identifiers.
_KEPT, _FIELDS = "kept-row", "declared-fields"

#: What a candidate that is a hold brings beside: whether it is due, whether it has waited for its place in a delivery
#: rate and not missed it, which hold it is, since when, until when, and of which run's pipeline.
HOLD_COLUMNS = ("is_due", "has_turn", "hold_id", "held_at", "hold_due_at", "run")

#: The contract of candidates; grain: one row per decision_id.
CANDIDATE_COLUMNS = (
    "decision_id",
    "message_id",
    "source",
    "source_id",
    "campaign_id",
    "campaign_version",
    "campaign_status",
    "consent_topic",
    "channel",
    "customer_id",
    "send_partition",
    "occurred_at",
    "expires_at",
    "data",
    "origin",
    "policy",
)


def campaigns_frame(
    spark: SparkSession, campaigns: Sequence[tuple[str, Campaign]], house: Decide = NO_RULES
) -> DataFrame:
    """The campaigns as rows, with the rules of the house. Grain: one row per campaign_id. Small: it is broadcast."""
    rows = [
        (
            *(c.campaign_id, digest, c.status, c.kind, c.topic, list(c.channels)),
            policy_text(c, house),
        )
        for digest, c in campaigns
    ]
    return spark.createDataFrame(rows, CAMPAIGN_COLUMNS)


def match_triggers(triggers: DataFrame, campaigns: DataFrame) -> DataFrame:
    """Explicit triggers with the campaign they name, or with none when it is unknown.
    Grain: one row per (record, channel); a scheduled campaign cannot be triggered and counts as unknown."""
    known = campaigns.where(F.col("kind") == "triggered").drop("kind")
    # campaign_id is unique in `campaigns`: one bundle is active per campaign.
    matched = triggers.join(F.broadcast(known), on="campaign_id", how="left")
    return matched.select(
        F.lit("trigger").alias("source"),
        F.col("trigger_id").alias("source_id"),
        *_shared_columns(),
        "expires_at",
        "data",
        _origin().alias("origin"),
        "policy",
    )


def match_events(
    events: DataFrame, campaigns: Sequence[tuple[str, Campaign]], house: Decide = NO_RULES
) -> DataFrame | None:
    """The events that fire a campaign. Grain: one row per (record, campaign, channel); None when no campaign names an
    event. An event nobody asked for, or whose condition does not hold, considers nobody: it is no candidate.
    Raises `InputError` for a condition that Spark does not understand."""
    fired: DataFrame | None = None
    for digest, campaign in campaigns:
        if campaign.trigger is None or campaign.trigger.event is None:
            continue
        one = _match_event(events, digest, campaign, house)
        fired = one if fired is None else fired.unionByName(one)
    return fired


def _match_event(events: DataFrame, digest: str, campaign: Campaign, house: Decide) -> DataFrame:
    assert campaign.trigger is not None
    named = events.where(F.col("type") == F.lit(campaign.trigger.event)).select(
        F.lit("event").alias("source"),
        F.col("event_id").alias("source_id"),
        F.lit(campaign.campaign_id).alias("campaign_id"),
        F.lit(digest).alias("campaign_version"),
        F.lit(campaign.status).alias("campaign_status"),
        F.lit(campaign.topic).alias("consent_topic"),
        F.array(*[F.lit(name) for name in campaign.channels]).alias("channels"),
        "customer_id",
        "occurred_at",
        F.lit(None).cast("timestamp").alias("expires_at"),
        F.col("properties").alias("data"),
        _origin().alias("origin"),
        F.lit(policy_text(campaign, house)).alias("policy"),
    )
    exploded = named.withColumn("channel", F.explode("channels")).drop("channels")
    if not campaign.trigger.when:
        return exploded
    return where_declared(exploded, campaign.trigger.when, campaign, "trigger.when")


def where_declared(rows: DataFrame, predicate: str, campaign: Campaign, key: str) -> DataFrame:
    """The rows for which an author's condition holds. It sees only the declared fields of the JSON in `data`, under
    their own names. Raises `InputError` for a condition that Spark does not understand."""
    scope = [F.struct(*rows.columns).alias(_KEPT)]
    if campaign.data:
        scope.append(F.from_json("data", campaign.data_ddl()).alias(_FIELDS))
    scoped = rows.select(*scope).select(f"`{_KEPT}`", *[f"`{_FIELDS}`.*" for _ in scope[1:]])
    return _keep_where(scoped, predicate, campaign, key).select(f"`{_KEPT}`.*")


def _keep_where(rows: DataFrame, predicate: str, campaign: Campaign, key: str) -> DataFrame:
    try:
        return rows.where(F.expr(predicate))
    except AnalysisException as error:  # a ParseException is one too
        found = str(error).strip().partition("\n")[0]
        raise InputError(
            f"campaign '{campaign.campaign_id}' {key}: Spark does not understand '{predicate}': {found} "
            "Mend campaign.yaml and publish it again with `carillon publish FOLDER`."
        ) from None


def check_conditions(spark: SparkSession, campaigns: Iterable[Campaign]) -> None:
    """Raises `InputError` for a campaign whose condition Spark does not understand; on no rows, so nothing runs."""
    match_events(spark.createDataFrame([], EVENT_COLUMNS), [("", campaign) for campaign in campaigns])


def check_audience_rule(spark: SparkSession, campaign: Campaign) -> None:
    """Raises `InputError` when Spark does not understand the audience rule; on no rows, so nothing runs."""
    if campaign.audience:
        nobody = spark.createDataFrame([], table("audience").schema())
        timed = nobody.withColumn(CLOCK, F.lit(None).cast("timestamp"))
        _keep_where(timed, campaign.audience.where, campaign, "audience.where")


def select_members(audience: DataFrame, campaign: Campaign, clock: Column) -> DataFrame | None:
    """The members of a scheduled campaign's audience rule, in the columns of `pipelines.considered.MEMBERS`, without a
    channel; None when it is everybody. Grain: one row per customer. A rule that records whom it leaves out keeps
    everybody, with `outside_of`. Raises `InputError` for a rule that Spark does not understand."""
    assert campaign.audience is not None  # a scheduled campaign has one
    rule = campaign.audience.where
    if rule.strip().lower() == "true":
        return None
    timed, outside = audience.withColumn(CLOCK, clock), F.lit(None).cast("string")
    if campaign.audience.record_outside:
        outside = outside_of(rule)
    else:
        timed = _keep_where(timed, rule, campaign, "audience.where")
    channel = F.lit(None).cast("string")
    return timed.select("customer_id", channel.alias("channel"), outside.alias("outside_of"))


def identify_candidates(candidates: DataFrame, pipeline: str, send_partitions: int) -> DataFrame:
    """Give each candidate its ids and its shard; keeps what only holds bring."""
    ids = candidates.select("*", *_id_columns(pipeline, send_partitions))
    extra = [name for name in HOLD_COLUMNS if name in candidates.columns]
    return ids.select(*CANDIDATE_COLUMNS, *extra)


@lru_cache(maxsize=8)
def _id_columns(pipeline: str, send_partitions: int) -> tuple[Column, ...]:
    # Made once: expressions are made call by call through the JVM, which takes an epoch longer than to compute them.
    return (
        uuid5_column(
            F.lit(pipeline), F.col("origin"), F.col("campaign_id"), F.col("customer_id"), F.col("channel")
        ).alias("decision_id"),
        message_id_column(
            F.col("campaign_id"), F.col("source_id"), F.col("customer_id"), F.col("channel")
        ).alias("message_id"),
        send_partition_column(F.col("customer_id"), send_partitions).alias("send_partition"),
    )


@cache
def _shared_columns() -> list[Column]:
    return [
        F.col("campaign_id"),
        F.col("campaign_version"),
        F.col("campaign_status"),
        F.col("consent_topic"),
        F.explode_outer("channels").alias("channel"),
        F.col("customer_id"),
        F.col("occurred_at"),
    ]


@cache
def _origin() -> Column:
    return F.concat_ws("/", F.col("topic"), F.col("partition").cast("string"), F.col("offset").cast("string"))
