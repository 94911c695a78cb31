"""Suppressions as they stand at the moment of the decision: by customer, by address, by domain.

Invariant: the newest word about a (kind, value, channel) counts, and an erasure outlasts every later word. Neither
ids nor addresses are compared in clear: both sides are digests. It decides nothing; a gate reads `suppressed_by`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from contextlib import suppress

import idna
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.decide.rows import whole_array
from pipelines.decode import ORIGIN
from pipelines.latest import latest, places
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
    plain = _plain(text.strip().lower())
    return plain if kind == "domain" else hashlib.sha256(plain.encode()).hexdigest()


def _plain(text: str) -> str:
    """One spelling of several: composed letters, and of a domain the form in which DNS has it (RFC 5891)."""
    if text.isascii():
        return text
    local, at, domain = unicodedata.normalize("NFC", text).rpartition("@")
    with suppress(idna.IDNAError):
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local}{at}{domain}"


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


def standing(changes: pa.Table) -> pa.Table:
    """The words that count and suppress; `changes`: rows of the table. Grain: one row per (kind, value, channel)."""
    is_erasure = pc.equal(changes["cause"], _ERASED)
    # Of two words of the same moment nobody knows the order: the stricter one counts.
    order = ("is_erasure", "occurred_at", "is_suppressed", "event_id")
    said = latest(changes.append_column("is_erasure", is_erasure), ("kind", "value", "channel"), order)
    return said.filter(said["is_suppressed"])


class Suppressions:
    """What is suppressed now, for any number of candidates."""

    def __init__(self, changes: pa.Table) -> None:
        """`changes`: rows of the table, the epoch's own among them."""
        stands = standing(changes)
        at = pc.strftime(stands["occurred_at"].cast(_SECONDS, safe=False), "%Y-%m-%dT%H:%M:%SZ")
        words = pc.binary_join_element_wise(stands["cause"], " (", stands["kind"], "), ", at, "")
        told = stands.append_column("said", words)
        self._by_kind = {kind: told.filter(pc.equal(told["kind"], kind)) for kind in KINDS}

    def said_of(self, candidates: pa.Table) -> pa.Array:
        """For each candidate what stands against writing, in words, such as "complaint (customer),
        2026-03-01T09:00:00Z"; null when nothing does. `candidates` carries `customer`."""
        found = pa.nulls(candidates.num_rows, pa.string())
        for kind, stands in self._by_kind.items():
            if stands.num_rows:
                found = pc.coalesce(found, _said(stands, _values(kind, candidates), candidates))
        return found


_SECONDS = pa.timestamp("s", tz="UTC")


def _said(stands: pa.Table, values: pa.Array, candidates: pa.Table) -> pa.Array:
    """What is said under these values, of every channel or else of the candidate's own."""
    # The few that are asked for are hashed, and not the many that stand: a list may hold millions.
    own = stands.filter(pc.is_in(stands["value"], value_set=values, skip_nulls=True)).combine_chunks()
    is_general = pc.is_null(own["channel"])
    general, special = own.filter(is_general), own.filter(pc.invert(is_general))
    of_all = places([values], [whole_array(general["value"])])
    of_own = places(
        [values, whole_array(candidates["channel"])],
        [whole_array(special["value"]), whole_array(special["channel"])],
    )
    texts = (whole_array(general["said"]).take(of_all), whole_array(special["said"]).take(of_own))
    return pc.coalesce(*(text.cast(pa.string()) for text in texts))


def _values(kind: str, candidates: pa.Table) -> pa.Array:
    """Under which value each candidate would be suppressed; null where there is none."""
    if kind == "customer":
        texts = candidates["customer_id"].to_pylist()
    else:
        texts = _addresses(candidates).to_pylist()
    if kind == "domain":
        texts = [None if text is None or "@" not in text else text.rpartition("@")[2] for text in texts]
    return pa.array([None if text is None else suppressed_value(kind, text) for text in texts], pa.string())


def _addresses(candidates: pa.Table) -> pa.Array:
    """The address of each candidate's channel."""
    customers, channels = whole_array(candidates["customer"]), whole_array(candidates["channel"])
    found = pa.nulls(candidates.num_rows, pa.string())
    for channel in CHANNELS:
        is_asked = pc.fill_null(pc.equal(channels, channel.name), False)
        found = pc.if_else(is_asked, pc.struct_field(customers, channel.address_column), found)
    return found
