"""What Carillon publishes for the senders: rendered messages in send batches, and the progress markers beside
them.

Invariant: a message carries everything a vendor call needs but the sender's own identity; its message_id
never changes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.messages.base import Channel, Id, Record


class Message(Record):
    """What messages of every channel have."""

    message_id: Id = Field(
        description="UUIDv5 of (campaign, run or trigger, customer, channel). Dedupe on it."
    )
    customer_id: Id
    locale: str = Field(description="BCP 47 locale the content was rendered in.")
    variant: str | None = Field(description="The experiment's variant, null without an experiment.")


class EmailHeaders(Record):
    """Headers to put into the email as they are. Others may be added."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    __pydantic_extra__: dict[str, str]

    message_id: str = Field(alias="Message-ID", description="RFC 5322 Message-ID with its angle brackets.")
    list_unsubscribe: str | None = Field(
        default=None, alias="List-Unsubscribe", description="RFC 8058; absent on transactional mail."
    )
    list_unsubscribe_post: str | None = Field(default=None, alias="List-Unsubscribe-Post")


class EmailMessage(Message):
    """A rendered email."""

    to: str = Field(min_length=3, description="Email address.")
    subject: str
    preheader: str | None
    html: str
    text: str
    headers: EmailHeaders


class SmsMessage(Message):
    """A rendered text message."""

    to: str = Field(pattern=r"^\+[1-9]\d{6,14}$", description="Phone number, E.164.")
    text: str
    encoding: Literal["GSM-7", "UCS-2"]
    segments: int = Field(ge=1, description="Segments it is billed as.")


class PushMessage(Message):
    """A rendered push notification."""

    token: str = Field(min_length=1, description="The vendor's token for the device.")
    title: str
    body: str
    deep_link: str | None
    data: dict[str, str] = Field(description="Key and value pairs handed to the app.")


class SendBatch(Record):
    """What send batches of every channel have. Kafka key: batch_id."""

    batch_id: Id
    pipeline: Id = Field(description="Which stream or run made it.")
    unit: int = Field(ge=0, description="The stream's epoch or the run's number.")
    channel: Channel
    campaign_id: Id
    campaign_version: Id = Field(description="Content digest of the campaign's files.")


class EmailSendBatch(SendBatch):
    """Up to messages_per_batch_max emails of one campaign version."""

    channel: Literal["email"]
    messages: Annotated[tuple[EmailMessage, ...], Field(min_length=1, strict=False)]


class SmsSendBatch(SendBatch):
    """Up to messages_per_batch_max text messages of one campaign version."""

    channel: Literal["sms"]
    messages: Annotated[tuple[SmsMessage, ...], Field(min_length=1, strict=False)]


class PushSendBatch(SendBatch):
    """Up to messages_per_batch_max push notifications of one campaign version."""

    channel: Literal["push"]
    messages: Annotated[tuple[PushMessage, ...], Field(min_length=1, strict=False)]


class ProgressMarker(Record):
    """How far one send partition of a pipeline got. Topic send.progress, key {pipeline}/{send_partition}."""

    incarnation: Id = Field(description="The pipeline's life; a new checkpoint counts epochs from 0.")
    term: int = Field(ge=0, description="Counts the pipeline's drivers; a higher one has replaced this one.")
    unit: int = Field(ge=0, description="The epoch or run whose chunk was published in the same transaction.")
    chunk: int = Field(ge=-1, description="The last chunk of that unit, counted from 0; -1: none of it.")
    lake: str | None = Field(
        default=None,
        description="The identity of the lake whose ledger knows what was sent; absent: not told.",
    )
    cancelled: bool = Field(
        default=False, description="The unit was cancelled: none of its later chunks will be published."
    )
