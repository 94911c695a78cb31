"""Who and what the decisions are measured on: audiences, triggers and holds of any size, made by Spark from numbers.

Invariant: the same sizes give the same rows. Nobody here exists: example.org, +1 555 01xx.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import Campaign
from pipelines.decode import TRIGGERS
from schemas.tables import table

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
        },
    }
    return Campaign.model_validate({**content, **keys})


#: Every rule that a run can have, and a trigger that is answered at once.
CAMPAIGNS: dict[str, Campaign] = {
    "letter": _campaign(
        campaign_id="letter",
        topic="marketing",
        kind="scheduled",
        audience={"where": "loyalty_points >= 0"},
        quiet_hours={"from": "22:00", "to": "08:00"},
        send_window={"days": ["mon", "tue", "wed", "thu", "fri"]},
        frequency_caps=[{"at_most": 2, "per": "30 days"}],
        holdout={"percent": 5},
        variants={"long": 50, "short": 50},
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
}


def audience(spark: SparkSession, customers: int) -> DataFrame:
    """Grain: one row per customer, in the columns of the table; consents for two channels and topics each."""
    number = F.col("id")
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
        "email": F.concat(F.lit("c-"), number, F.lit("@example.org")),
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


def records(spark: SparkSession, triggers: int, customers: int, unit: int) -> DataFrame:
    """One epoch's records as Kafka's source gives them: triggers for customers spread over the whole audience."""
    step = max(customers // triggers, 1)
    rows = []
    for number in range(triggers):
        document = {
            "trigger_id": f"t-{unit}-{number}",
            "campaign_id": "welcome",
            "customer_id": f"c-{(number * step + unit) % customers}",
            "occurred_at": "2026-03-01T09:00:00Z",
            "data": {"plan": "basic"},
        }
        at = datetime(2026, 3, 1, 9)  # noqa: DTZ001  # a broker's time, which nothing reads
        rows.append((b"k", json.dumps(document).encode(), TRIGGERS.topic, 0, unit * triggers + number, at, 0))
    schema = (
        "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, "
        "timestampType int"
    )
    return spark.createDataFrame(rows, schema)


def holds(spark: SparkSession, count: int, customers: int, first: datetime) -> DataFrame:
    """Open holds in the columns of the table, due every minute of the four days from `first` on."""
    number = F.col("id")
    due = F.timestamp_seconds(F.lit(int(first.timestamp())) + number % (4 * 1_440) * 60)
    made = {
        "hold_id": F.concat(F.lit("h-"), number),
        "state": F.lit("open"),
        "owner": F.lit("triggered-holds"),
        "due_at": due,
        "due_date": F.to_date(due),
        "message_id": F.concat(F.lit("m-"), number),
        "source": F.lit("trigger"),
        "source_id": F.concat(F.lit("t-"), number),
        "campaign_id": F.lit("welcome"),
        "channel": F.lit("email"),
        "customer_id": F.concat(F.lit("c-"), number % customers),
        "occurred_at": F.lit(first - timedelta(days=2)),
        "data": F.lit('{"plan":"basic"}'),
        "priority": F.lit(50),
        "held_at": F.lit(first - timedelta(days=1)),
    }
    fields = table("holds").schema().fields
    columns = [made.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in fields]
    return spark.range(count).select(*columns).sortWithinPartitions("due_at")
