"""The names a template may read: the Arrow type of every variable of a campaign's templates.

The declared types here are those of the batches that messages are rendered from; checks and coverage use them
before any recipient exists. Holds no values.
"""

from __future__ import annotations

import pyarrow as pa

from pipelines.campaigns.model import Campaign
from schemas.ddl import arrow_type
from schemas.tables.audience import TABLE as AUDIENCE

TIMESTAMP = pa.timestamp("us", "UTC")
CAMPAIGN_TYPE = pa.struct([("campaign_id", pa.string()), ("name", pa.string()), ("topic", pa.string())])
MESSAGE_TYPE = pa.struct(
    [("message_id", pa.string()), ("channel", pa.string()), ("locale", pa.string()), ("variant", pa.string())]
)


def customer_type() -> pa.StructType:
    """The columns of the audience snapshot."""
    return pa.struct([(column.name, arrow_type(column.type)) for column in AUDIENCE.columns])


def source_field(campaign: Campaign) -> pa.Field | None:
    """`trigger` or `event`, whichever fires the campaign; None for a scheduled one."""
    rule = campaign.trigger
    if rule is None:
        return None
    data = campaign.data_arrow_schema()
    if rule.event is None:
        return pa.field(
            "trigger", pa.struct([("trigger_id", pa.string()), ("occurred_at", TIMESTAMP), ("data", data)])
        )
    fields = [
        ("event_id", pa.string()),
        ("type", pa.string()),
        ("occurred_at", TIMESTAMP),
        ("properties", data),
    ]
    return pa.field("event", pa.struct(fields))


def template_schema(campaign: Campaign, customer: pa.DataType | None = None) -> pa.Schema:
    """The schema of the batches that the campaign's templates render."""
    fields = [pa.field("customer", customer if customer is not None else customer_type())]
    source = source_field(campaign)
    if source is not None:
        fields.append(source)
    return pa.schema([*fields, pa.field("campaign", CAMPAIGN_TYPE), pa.field("message", MESSAGE_TYPE)])
