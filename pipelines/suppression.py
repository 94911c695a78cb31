"""Suppressions as they stand at the moment of the decision: by customer, by address, by domain.

Invariant: the newest word about a (kind, value, channel) counts, and an erasure outlasts every later word. Neither
ids nor addresses are compared in clear: both sides are digests. It decides nothing; a gate reads `suppressed_by`.
"""

from __future__ import annotations

import hashlib

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.decode import ORIGIN
from schemas.channels import CHANNEL_NAMES, CHANNELS
from schemas.tables import table
from schemas.tables.suppressions import CAUSES, KINDS

SUPPRESSIONS = table("suppressions")

#: The customer event that suppresses; properties: cause, and where they apply channel, suppressed (false lifts).
SUPPRESSION_EVENT = "customer.suppressed"
#: The customer event that ends everything about a customer; it needs no properties.
ERASURE_EVENT = "customer.erased"

_ERASED = "erased"
_GIVEN = tuple(cause for cause in CAUSES if cause != _ERASED)
_FIELDS = "cause string, channel string, suppressed boolean"
_NEEDED = (
    f"{SUPPRESSION_EVENT} needs property cause ({', '.join(_GIVEN)}); channel ({', '.join(CHANNEL_NAMES)}) and "
    "suppressed (boolean) may be left out"
)


def suppressed_value(kind: str, text: str) -> str:
    """The value under which a customer id, an address or a domain is suppressed. Ids tell upper case from lower."""
    if kind == "customer":
        return hashlib.sha256(text.encode()).hexdigest()
    plain = text.strip().lower()
    return plain if kind == "domain" else hashlib.sha256(plain.encode()).hexdigest()


def pseudonym(customer_id: str) -> str:
    """The customer id under which an erased customer's decisions are kept."""
    return f"erased-{suppressed_value('customer', customer_id)[:32]}"


def customer_value(customer_id: Column) -> Column:
    """The same for a customer, as a Column."""
    return F.sha2(customer_id, 256)


def select_suppression_changes(events: DataFrame, pipeline: str) -> DataFrame:
    """The suppressions and erasures of an epoch. Grain: one row per event record, in the columns of the table."""
    said = events.where(F.col("type").isin(SUPPRESSION_EVENT, ERASURE_EVENT))
    fields = F.from_json("properties", _FIELDS)
    is_erasure = F.col("type") == ERASURE_EVENT
    rows = said.where(is_erasure | _is_readable()).select(
        F.lit("customer").alias("kind"),
        customer_value(F.col("customer_id")).alias("value"),
        F.when(~is_erasure, fields["channel"]).alias("channel"),
        (is_erasure | F.coalesce(fields["suppressed"], F.lit(True))).alias("is_suppressed"),
        F.when(is_erasure, F.lit(_ERASED)).otherwise(fields["cause"]).alias("cause"),
        "occurred_at",
        "event_id",
        F.lit(pipeline).alias("recorded_by"),
    )
    return rows.select(*SUPPRESSIONS.column_names)


def select_unreadable_suppressions(events: DataFrame) -> DataFrame:
    """Suppressions that do not say why: dead letters, because a lost complaint must not be silent.
    Grain: one row per event record, in the columns of dead letters."""
    readable = F.coalesce(_is_readable(), F.lit(False))
    return events.where((F.col("type") == SUPPRESSION_EVENT) & ~readable).select(
        *ORIGIN,
        "key",
        "value",
        F.lit("match").alias("stage"),
        F.lit("missing_field").alias("reason"),
        F.lit(_NEEDED).alias("detail"),
    )


def _is_readable() -> Column:
    fields = F.from_json("properties", _FIELDS)
    known = fields["channel"].isNull() | fields["channel"].isin(*CHANNEL_NAMES)
    # A flag of another type would be read as null, and null suppresses: that is the safe side.
    return fields["cause"].isin(*_GIVEN) & known


def latest_suppressions(changes: DataFrame) -> DataFrame:
    """What is suppressed now. Grain: one row per (kind, value), `entries` array<struct<channel, said>>."""
    # Of two words of the same moment nobody knows the order: the stricter one counts.
    order = F.struct(F.col("cause") == _ERASED, "occurred_at", "is_suppressed", "event_id")
    newest = F.max_by(F.struct("is_suppressed", "cause", "occurred_at"), order)
    current = changes.groupBy("kind", "value", "channel").agg(newest.alias("newest"))
    at = F.date_format("newest.occurred_at", "yyyy-MM-dd'T'HH:mm:ss'Z'")
    said = F.concat(F.col("newest.cause"), F.lit(" ("), F.col("kind"), F.lit("), "), at)
    stands = current.where("newest.is_suppressed")
    entry = F.struct("channel", said.alias("said"))
    return stands.groupBy("kind", "value").agg(F.array_sort(F.collect_list(entry)).alias("entries"))


def join_suppressions(candidates: DataFrame, changes: DataFrame | None, is_large: bool) -> DataFrame:
    """Add `suppressed_by`: what stands against writing, in words, such as "complaint (customer), 2026-03-01T09:00:00Z";
    null when nothing does. Grain unchanged.

    `candidates` carries `customer`; `changes` is the table with the epoch's own changes already in it, None when
    nothing was ever suppressed. Few candidates are sent to the table instead of the table to them."""
    if changes is None:
        return candidates.withColumn("suppressed_by", F.lit(None).cast("string"))
    keys = _keys()
    joined = candidates.select("*", *[key.alias(_key_name(kind)) for kind, key in keys.items()])
    if not is_large:
        asked = joined.select(F.explode(F.array(*map(_key_name, KINDS))).alias("value"))
        changes = changes.join(F.broadcast(asked), on="value", how="left_semi")
    latest = latest_suppressions(changes)
    for kind in KINDS:
        # (kind, value) is unique after latest_suppressions.
        entries = latest.where(F.col("kind") == kind).select(
            F.col("value").alias(_key_name(kind)), F.col("entries").alias(_entries_name(kind))
        )
        side = entries if is_large else F.broadcast(entries)
        joined = joined.join(side, on=_key_name(kind), how="left")
    said = F.coalesce(*[_said(F.col(_entries_name(kind))) for kind in KINDS])
    helpers = [name(kind) for kind in KINDS for name in (_key_name, _entries_name)]
    return joined.withColumn("suppressed_by", said).drop(*helpers)


def _said(entries: Column) -> Column:
    applies = F.filter(entries, lambda e: e["channel"].isNull() | (e["channel"] == F.col("channel")))
    return F.when(F.size(applies) > 0, applies[0]["said"])


def _keys() -> dict[str, Column]:
    address = F.coalesce(
        *[F.when(F.col("channel") == c.name, F.col(f"customer.{c.address_column}")) for c in CHANNELS]
    )
    domain = F.when(address.contains("@"), F.lower(F.trim(F.substring_index(address, "@", -1))))
    values = (customer_value(F.col("customer_id")), F.sha2(F.lower(F.trim(address)), 256), domain)
    return dict(zip(KINDS, values, strict=True))


def _key_name(kind: str) -> str:
    return f"suppression-{kind}"


def _entries_name(kind: str) -> str:
    return f"suppressions-{kind}"
