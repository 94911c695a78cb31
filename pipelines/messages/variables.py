"""Recipients as template variables: the record batch that the templates of one group render.

The columns are those of `pipelines.campaigns.variables`; the customer's struct is passed on as it came, and
rows keep their order. Reads no clock.
"""

from __future__ import annotations

import pyarrow as pa

from pipelines.campaigns import Campaign
from pipelines.campaigns.variables import CAMPAIGN_TYPE, MESSAGE_TYPE, TIMESTAMP, source_field

#: What `assemble` is given, one row per recipient.
INPUT_COLUMNS = (
    "message_id",
    "customer_id",
    "locale",
    "variant",
    "occurred_at",
    "source",
    "source_id",
    "data",
    "customer",
)


def template_batch(
    campaign: Campaign, channel: str, batch: pa.RecordBatch, data: pa.StructArray, locales: pa.Array
) -> pa.RecordBatch:
    """The variables of each recipient of `batch`; `locales` are those the texts are rendered in."""
    columns: dict[str, pa.Array] = {"customer": batch.column("customer")}
    source = source_field(campaign)
    if source is not None:
        columns[source.name] = _source(campaign, source, batch, data)
    columns["campaign"] = _campaign(campaign, batch.num_rows)
    columns["message"] = _message(batch, channel, locales)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _source(
    campaign: Campaign, source: pa.Field, batch: pa.RecordBatch, data: pa.StructArray
) -> pa.StructArray:
    occurred_at = batch.column("occurred_at").cast(TIMESTAMP)
    source_id = batch.column("source_id").cast(pa.string())
    values = {
        "trigger_id": source_id,
        "event_id": source_id,
        "occurred_at": occurred_at,
        "data": data,
        "properties": data,
    }
    if campaign.trigger is not None and campaign.trigger.event is not None:
        values["type"] = _same(campaign.trigger.event, batch.num_rows)
    return pa.StructArray.from_arrays([values[field.name] for field in source.type], fields=list(source.type))


def _campaign(campaign: Campaign, rows: int) -> pa.StructArray:
    values = [_same(str(getattr(campaign, field.name)), rows) for field in CAMPAIGN_TYPE]
    return pa.StructArray.from_arrays(values, fields=list(CAMPAIGN_TYPE))


def _message(batch: pa.RecordBatch, channel: str, locales: pa.Array) -> pa.StructArray:
    values = {
        "message_id": batch.column("message_id"),
        "channel": _same(channel, batch.num_rows),
        "locale": locales,
        "variant": batch.column("variant"),
    }
    arrays = [values[field.name].cast(pa.string()) for field in MESSAGE_TYPE]
    return pa.StructArray.from_arrays(arrays, fields=list(MESSAGE_TYPE))


def _same(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows)
