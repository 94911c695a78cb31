"""Kafka records become triggers, customer events or dead letters; no record stops the stream.

Invariant: every record of the input is in exactly one of the three outputs, a dead letter with its original
bytes. Types are strict (a number is not a string): JSON is parsed to Spark's VARIANT, and the kind of each field
is compared with the contract. Does not look at campaigns or customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

#: A record larger than this is refused unread: nothing a trigger may say needs a megabyte.
RECORD_BYTES_MAX = 1_000_000
#: Ids are Kafka keys, object names and parts of hashes; longer ones are mistakes.
ID_CHARACTERS_MAX = 256
#: RFC 3339 with seconds and a zone: Spark's own cast also takes "2026", which would hide a mistake. Not `$`, which
#: also matches before a last line feed.
RFC3339 = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\z"
#: What Python's datetime can hold in any time zone; an offset can push a time of the year 0001 or 9999 out of it.
_YEARS = (2, 9998)
#: The versions of the input contracts that this release reads; absent means 1.
KNOWN_VERSIONS = (1,)


@dataclass(frozen=True)
class InputContract:
    """What one input topic must carry: names of fields by the kind they must have."""

    topic: str
    ids: tuple[str, ...]
    times: tuple[str, ...]
    optional_times: tuple[str, ...]
    object_field: str


TRIGGERS = InputContract(
    "campaign.triggers",
    ("trigger_id", "campaign_id", "customer_id"),
    ("occurred_at",),
    ("expires_at",),
    "data",
)
EVENTS = InputContract(
    "customer.events", ("event_id", "customer_id", "type"), ("occurred_at",), (), "properties"
)

#: Where a record came from; kept through all stages.
ORIGIN = ("topic", "partition", "offset", "timestamp")


def decode_records(records: DataFrame) -> DataFrame:
    """Parse each Kafka record once. Grain: one row per (topic, partition, offset), the columns of the Kafka source
    plus `document` (VARIANT) and `fault` (struct<reason, detail>, null for a good record)."""
    return records.withColumn("document", _document()).withColumn("fault", _first_fault())


@cache
def _document() -> Column:
    text = F.when(F.is_valid_utf8(F.col("value")), F.col("value").cast("string"))
    return _parse(F.when(F.octet_length("value") <= RECORD_BYTES_MAX, text))


@cache
def _first_fault() -> Column:
    # Made once, as all columns here: to put it together takes hundreds of questions to the JVM.
    faults = [_document_fault()]
    for contract in (TRIGGERS, EVENTS):
        faults.append(F.when(F.col("topic") == contract.topic, F.coalesce(*_field_faults(contract))))
    return F.coalesce(*faults)


def select_triggers(decoded: DataFrame) -> DataFrame:
    """The good triggers. Grain: one row per record; `trigger_id` may repeat (a duplicate is decided, not dropped)."""
    return _good(decoded, TRIGGERS).select(*_trigger_columns())


@cache
def _trigger_columns() -> tuple[str | Column, ...]:
    return (
        *ORIGIN,
        _text("trigger_id"),
        _text("campaign_id"),
        _text("customer_id"),
        _time("occurred_at"),
        _time("expires_at"),
        _object("data").alias("data"),
    )


def select_events(decoded: DataFrame) -> DataFrame:
    """The good customer events. Grain: one row per record; `event_id` may repeat."""
    return _good(decoded, EVENTS).select(*_event_columns())


@cache
def _event_columns() -> tuple[str | Column, ...]:
    return (
        *ORIGIN,
        "key",
        "value",
        _text("event_id"),
        _text("customer_id"),
        _text("type"),
        _time("occurred_at"),
        _object("properties").alias("properties"),
    )


def select_dead_letters(decoded: DataFrame) -> DataFrame:
    """The refused records, bytes as they came. Grain: one row per (topic, partition, offset)."""
    return decoded.where(F.col("fault").isNotNull()).select(
        *ORIGIN,
        "key",
        "value",
        F.lit("decode").alias("stage"),
        F.col("fault.reason").alias("reason"),
        F.col("fault.detail").alias("detail"),
    )


def _good(decoded: DataFrame, contract: InputContract) -> DataFrame:
    return decoded.where(F.col("fault").isNull()).where(F.col("topic") == contract.topic)


def _parse(text: Column) -> Column:
    """The one JSON value that the text is. Spark's parser stops after the first value and ignores what follows, so
    the text is put in an array before a seal that depends on it: the seal is found only if nothing was ignored."""
    seal = F.sha1(F.encode(text, "UTF-8"))
    sealed = F.try_parse_json(F.concat(F.lit("["), text, F.lit(',"'), seal, F.lit('"]')))
    is_whole = F.try_variant_get(sealed, "$[1]", "string") == seal
    return F.when(is_whole, F.try_variant_get(sealed, "$[0]", "variant"))


def _kind(path: str) -> Column:
    """The kind of a field: STRING, BIGINT, OBJECT, VOID for a JSON null, null when absent."""
    return _kind_of(F.variant_get(F.col("document"), path, "variant"))


def _kind_of(value: Column) -> Column:
    # Without what Spark adds of the inside: the keys of an object go into a dead letter's detail and to logs, and a
    # key may be an address.
    return F.regexp_extract(F.schema_of_variant(value), "^[A-Z]+", 0)


def _fault(reason: str, detail: Column) -> Column:
    return F.struct(F.lit(reason).alias("reason"), detail.alias("detail"))


def _document_fault() -> Column:
    root = _kind_of(F.col("document"))
    size = F.octet_length("value")
    version = _kind("$.schema_version")
    number = F.try_variant_get("document", "$.schema_version", "bigint")
    known = number.isin(*KNOWN_VERSIONS)
    allowed = ", ".join(str(item) for item in KNOWN_VERSIONS)
    return (
        F.when(F.col("value").isNull(), _fault("not_json", F.lit("the record has no value")))
        .when(
            size > RECORD_BYTES_MAX,
            _fault("too_large", F.concat(size.cast("string"), F.lit(f" bytes; allowed: {RECORD_BYTES_MAX}"))),
        )
        .when(~F.is_valid_utf8(F.col("value")), _fault("invalid_utf8", F.lit("the value is not UTF-8")))
        .when(F.col("document").isNull(), _fault("not_json", F.lit("the value is not a JSON document")))
        .when(
            ~F.coalesce(root == "OBJECT", F.lit(False)),
            _fault("wrong_type", F.concat(F.lit("expected an object, found "), root)),
        )
        .when(
            version.isNotNull() & ((version != "BIGINT") | ~F.coalesce(known, F.lit(False))),
            _fault("unknown_version", F.lit(f"schema_version is not one of: {allowed}")),
        )
    )


def _field_faults(contract: InputContract) -> list[Column]:
    faults = []
    for name in (*contract.ids, *contract.times, contract.object_field):
        kind = _kind(f"$.{name}")
        absent = kind.isNull() | (kind == "VOID")
        faults.append(F.when(absent, _fault("missing_field", F.lit(f"{name} is required"))))
    for name in contract.ids:
        faults.append(_id_fault(name))
    for name in (*contract.times, *contract.optional_times):
        faults.append(_time_fault(name))
    kind = _kind(f"$.{contract.object_field}")
    wrong = F.concat(F.lit(f"{contract.object_field}: expected an object, found "), kind)
    faults.append(F.when(kind != "OBJECT", _fault("wrong_type", wrong)))
    return faults


def _id_fault(name: str) -> Column:
    kind = _kind(f"$.{name}")
    length = F.length(F.try_variant_get("document", f"$.{name}", "string"))
    return (
        F.when(
            kind != "STRING",
            _fault("wrong_type", F.concat(F.lit(f"{name}: expected a string, found "), kind)),
        )
        .when(length == 0, _fault("missing_field", F.lit(f"{name} is empty")))
        .when(
            length > ID_CHARACTERS_MAX,
            _fault("too_large", F.lit(f"{name} is longer than {ID_CHARACTERS_MAX} characters")),
        )
    )


def _time_fault(name: str) -> Column:
    kind = _kind(f"$.{name}")
    text = F.try_variant_get("document", f"$.{name}", "string")
    readable = text.rlike(RFC3339) & F.year(_instant(text)).between(*_YEARS)
    present = kind.isNotNull() & (kind != "VOID")
    return F.when(
        present & ((kind != "STRING") | ~F.coalesce(readable, F.lit(False))),
        _fault(
            "wrong_type",
            F.lit(f"{name}: expected an RFC 3339 time with a zone, such as 2026-03-01T09:00:00Z"),
        ),
    )


def _text(name: str) -> Column:
    return F.try_variant_get("document", f"$.{name}", "string").alias(name)


def _time(name: str) -> Column:
    return _instant(F.try_variant_get("document", f"$.{name}", "string")).alias(name)


def _instant(text: Column) -> Column:
    # RFC 3339 allows a lower-case t and z, which the cast does not know.
    return F.upper(text).try_cast("timestamp")


def _object(name: str) -> Column:
    return F.to_json(F.variant_get("document", f"$.{name}", "variant"))
