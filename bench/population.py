"""Who and what the decisions are measured on: audiences, triggers and holds of any size, made by Spark from numbers.

Invariant: the same sizes give the same rows. Nobody here exists: example.org, +1 555 01xx.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.decode import EVENTS, TRIGGERS
from schemas.tables import table

#: A Wednesday at 15:00 UTC, the clock of the first unit: of the five zones one, a fifth of the customers, is in quiet
#: hours. Everything that was said before is older, and the orders of nobody are newer.
FIRST = datetime(2026, 3, 4, 15, tzinfo=timezone.utc)
#: What a snapshot knows; consent changes and suppressions came after it.
SNAPSHOT_AS_OF = FIRST - timedelta(hours=9)
CONSENTS, SUPPRESSIONS = table("consents"), table("suppressions")
_CLOSED_DOMAIN = "example.net"
_REFUND = "order.refunded"

_ZONES = ("Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca")


def _campaign(**keys: Any) -> Campaign:
    content = {
        "name": "Bench",
        "default_locale": "en",
        "channels": ["email"],
        "templates": {
            "email/subject.en.txt.j2": "Hello {{ customer.first_name }}",
            "email/html.en.html.j2": "<p>Hello {{ customer.first_name }}</p>",
            "email/text.en.txt.j2": "Hello {{ customer.first_name }}",
            "sms/text.en.txt.j2": "Hello {{ customer.first_name }}",
            "push/title.en.txt.j2": "Hello {{ customer.first_name }}",
            "push/body.en.txt.j2": "Hello",
        },
    }
    return Campaign.model_validate({**content, **keys})


def _letter(campaign_id: str, **keys: Any) -> Campaign:
    rules = {
        "topic": "marketing",
        "kind": "scheduled",
        "audience": {"where": "loyalty_points >= 0"},
        "quiet_hours": {"from": "22:00", "to": "08:00"},
        "send_window": {"days": ["mon", "tue", "wed", "thu", "fri"]},
        "frequency_caps": [{"at_most": 2, "per": "30 days"}],
        "holdout": {"percent": 5},
        "variants": {"long": 50, "short": 50},
    }
    return _campaign(campaign_id=campaign_id, **rules | keys)


#: Every rule that a run on one channel can have but a delivery rate, and a trigger that is answered at once.
CAMPAIGNS: dict[str, Campaign] = {
    "letter": _letter("letter"),
    # The same with a rate that holds nobody, and with a choice of channels.
    "letter_rated": _letter("letter_rated", rate={"per_minute": 10_000_000}),
    "letter_everywhere": _letter(
        "letter_everywhere", channels=["email", "sms", "push"], channel_choice="preferred"
    ),
    # One customer in a hundred, with and without a record of all others.
    "narrow": _campaign(
        campaign_id="narrow", topic="marketing", kind="scheduled", audience={"where": "loyalty_points < 10"}
    ),
    "narrow_recorded": _campaign(
        campaign_id="narrow_recorded",
        topic="marketing",
        kind="scheduled",
        audience={"where": "loyalty_points < 10", "record_outside": True},
    ),
    "welcome": _campaign(
        campaign_id="welcome",
        topic="reminders",
        kind="triggered",
        trigger={"explicit": True, "reentry": {"once_per": "1 hour"}},
        data={"plan": "string"},
    ),
    # What waits, and what drops it.
    "reminder": _campaign(
        campaign_id="reminder",
        topic="reminders",
        kind="triggered",
        trigger={"explicit": True, "cancel_on": [{"event": _REFUND}]},
        data={"plan": "string"},
    ),
}


def audience(spark: SparkSession, customers: int) -> DataFrame:
    """Grain: one row per customer, in the columns of the table; consents for two channels and topics each. One in 400
    has an address at a domain to which nothing is sent."""
    number = F.col("id")
    domain = F.when(number % 400 == 111, _CLOSED_DOMAIN).otherwise("example.org")
    zones = F.array(*map(F.lit, _ZONES))
    consents = [
        F.struct(
            F.lit(channel).alias("channel"),
            F.lit(topic).alias("topic"),
            (number % 10 != turn).alias("granted"),
        )
        for turn, (channel, topic) in enumerate(
            (c, t) for c in ("email", "sms") for t in ("marketing", "reminders")
        )
    ]
    made = {
        "customer_id": F.concat(F.lit("c-"), number),
        "email": F.concat(F.lit("c-"), number, F.lit("@"), domain),
        "phone": F.lit("+12025550101"),
        "push_token": F.concat(F.lit("token-"), number),
        "first_name": F.lit("Ann"),
        "last_name": F.lit("Example"),
        "locale": F.lit("en"),
        "time_zone": F.element_at(zones, (number % len(_ZONES) + 1).cast("int")),
        "country": F.lit("AT"),
        "preferred_channel": F.lit("email"),
        "loyalty_points": number % 1_000,
        "segments": F.array(F.lit("loyal")),
        "consents": F.array(*consents),
        "invalid_channels": F.array(),
    }
    fields = table("audience").schema().fields
    columns = [made.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in fields]
    return spark.range(customers).select(*columns)


def consent_changes(spark: SparkSession, first: int, end: int) -> DataFrame:
    """Grain: one row for one in a hundred of the customers with these numbers, in the columns of the table: half of
    them have withdrawn since the snapshot, half have agreed."""
    number = F.col("id")
    made = {
        "customer_id": F.concat(F.lit("c-"), number),
        "channel": F.lit("email"),
        "topic": F.lit("marketing"),
        "granted": number % 200 == 3,
        "occurred_at": F.lit(FIRST - timedelta(hours=1)),
        "event_id": F.concat(F.lit("e-"), number),
        "recorded_pipeline": F.lit("triggered"),
        "recorded_unit": F.lit(0),
    }
    said = spark.range(first, end).where(number % 100 == 3)
    return said.select(*(made[f.name].cast(f.dataType).alias(f.name) for f in CONSENTS.schema().fields))


def suppressions(spark: SparkSession, first: int, end: int) -> DataFrame:
    """Grain: one row for one in 200 of the customers with these numbers, half of them by customer and half by address,
    and one for the domain; in the columns of the table."""
    number = F.col("id")
    customer, address = F.concat(F.lit("c-"), number), F.concat(F.lit("c-"), number, F.lit("@example.org"))
    is_customer = number % 400 == 11
    people = spark.range(first, end).where(is_customer | (number % 400 == 211))
    about = people.select(
        F.when(is_customer, "customer").otherwise("address").alias("kind"),
        F.sha2(F.when(is_customer, customer).otherwise(address), 256).alias("value"),
    )
    domain = spark.range(1).select(F.lit("domain").alias("kind"), F.lit(_CLOSED_DOMAIN).alias("value"))
    made = {
        "kind": F.col("kind"),
        "value": F.col("value"),
        "channel": F.lit(None),
        "is_suppressed": F.lit(True),
        "cause": F.lit("hard_bounce"),
        "occurred_at": F.lit(FIRST - timedelta(hours=1)),
        "event_id": F.concat(F.lit("e-"), F.col("value")),
        "recorded_by": F.lit("triggered"),
    }
    fields = SUPPRESSIONS.schema().fields
    return about.unionByName(domain).select(*(made[f.name].cast(f.dataType).alias(f.name) for f in fields))


def records(spark: SparkSession, triggers: int, customers: int, unit: int, refunds: int = 0) -> DataFrame:
    """One epoch's records as Kafka's source gives them: triggers for customers spread over the whole audience, and
    events that drop what waits for some of them."""
    step = max(customers // triggers, 1)
    documents: list[tuple[str, dict[str, Any]]] = []
    for number in range(triggers):
        document = {
            "trigger_id": f"t-{unit}-{number}",
            "campaign_id": "welcome",
            "customer_id": f"c-{(number * step + unit) % customers}",
            "occurred_at": "2026-03-01T09:00:00Z",
            "data": {"plan": "basic"},
        }
        documents.append((TRIGGERS.topic, document))
    for number in range(refunds):
        document = {
            "event_id": f"e-{unit}-{number}",
            "customer_id": f"c-{(number * step + unit) % customers}",
            "type": _REFUND,
            "occurred_at": f"{FIRST:%Y-%m-%dT%H:%M:%SZ}",
            "properties": {},
        }
        documents.append((EVENTS.topic, document))
    at = datetime(2026, 3, 1, 9)  # noqa: DTZ001  # a broker's time, which nothing reads
    first = unit * 1_000_000
    rows = [
        (b"k", json.dumps(document).encode(), topic, 0, first + number, at, 0)
        for number, (topic, document) in enumerate(documents)
    ]
    schema = (
        "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, "
        "timestampType int"
    )
    return spark.createDataFrame(rows, schema)


def holds(spark: SparkSession, count: int, customers: int, first: datetime) -> DataFrame:
    """Open holds in the columns of the table, due over the four days from `first` on, in as many files as epochs of a
    thousand leave."""
    number = F.col("id")
    minute = F.floor(number * (4 * 1_440) / count)
    due = F.timestamp_seconds(F.lit(int(first.timestamp())) + minute * 60)
    made = {
        "hold_id": F.concat(F.lit("h-"), number),
        "state": F.lit("open"),
        "owner": F.lit("triggered-holds"),
        "due_at": due,
        "due_date": F.to_date(due),
        "message_id": F.concat(F.lit("m-"), number),
        "source": F.lit("trigger"),
        "source_id": F.concat(F.lit("t-"), number),
        "campaign_id": F.lit("reminder"),
        "channel": F.lit("email"),
        "customer_id": F.concat(F.lit("c-"), number % customers),
        "occurred_at": F.lit(first - timedelta(days=2)),
        "data": F.lit('{"plan":"basic"}'),
        "priority": F.lit(50),
        "held_at": F.lit(first - timedelta(days=1)),
    }
    fields = table("holds").schema().fields
    columns = [made.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in fields]
    return spark.range(0, count, numPartitions=max(count // 1_000, 1)).select(*columns)
