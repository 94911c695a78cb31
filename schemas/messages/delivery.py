"""What senders report back: one delivery event per thing that happened to a message.

Invariant: a lost vendor reply is `unknown`, never guessed to be a success or a failure.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.messages.base import Channel, Id, Record, SchemaVersion, Timestamp

DeliveryType = Literal[
    "accepted",  # the vendor took it
    "rejected",  # the vendor refused it; it will not arrive
    "unknown",  # the vendor's reply was lost; settled by a later event
    "delivered",
    "soft_bounced",  # may work later
    "hard_bounced",  # the address is dead
    "complained",
    "unsubscribed",
    "opened",
    "clicked",
    "recalled",  # the campaign version was recalled before the sender delivered it; it did not
    "duplicate",  # the sender had seen this message_id before and did not send it again
]


class DeliveryEvent(Record):
    """One thing that happened to a message. Topic delivery.events, key customer_id."""

    event_id: Id = Field(description="Unique per event.")
    type: DeliveryType
    message_id: Id
    batch_id: Id
    campaign_id: Id
    customer_id: Id
    channel: Channel
    vendor: Id = Field(description="The vendor's short name.")
    vendor_message_id: str | None = Field(default=None, description="The vendor's own id for the message.")
    occurred_at: Timestamp
    detail: str | None = Field(default=None, description="The vendor's words; no address, no content.")
    schema_version: SchemaVersion = 1
