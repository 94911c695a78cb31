"""What others write and Carillon reads: campaign triggers and customer events.

Invariant: version 1 is the only version known; any other is a dead letter, not a guess.
"""

from __future__ import annotations

from pydantic import Field

from schemas.messages.base import Data, Id, Record, SchemaVersion, Timestamp


class Trigger(Record):
    """A request to send one campaign to one customer. Topic campaign.triggers, key customer_id."""

    trigger_id: Id = Field(
        description="Unique per request; the same id again is excluded as duplicate_trigger."
    )
    campaign_id: Id = Field(description="The campaign to send.")
    customer_id: Id = Field(description="The customer to send it to.")
    occurred_at: Timestamp
    data: Data = Field(
        description="What the templates read as trigger.data; types are declared by the campaign."
    )
    expires_at: Timestamp | None = Field(
        default=None, description="After this moment the message is not sent any more."
    )
    schema_version: SchemaVersion = 1


class CustomerEvent(Record):
    """Something a customer did, or that happened to one. Topic customer.events, key customer_id."""

    event_id: Id = Field(description="Unique per event; the same id again is excluded as duplicate_trigger.")
    customer_id: Id = Field(description="The customer it happened to.")
    type: Id = Field(description="Dotted name such as order.delivered; campaigns subscribe by it.")
    occurred_at: Timestamp
    properties: Data = Field(
        description="What the templates read as event.properties; types are declared by the campaign."
    )
    schema_version: SchemaVersion = 1
