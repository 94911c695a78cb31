"""One Kafka record of a send-batch topic → a typed send batch, or a refusal that says why.

Invariant: a record is decoded completely or refused; what the headers say and what the value says agree.
It does not know Kafka's client, dedupe or deliver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from schemas.channels import CHANNELS, Channel
from schemas.messages import RECORDS, EmailSendBatch, PushSendBatch, SmsSendBatch
from schemas.topics import topic

AnySendBatch = EmailSendBatch | SmsSendBatch | PushSendBatch

UNKNOWN_CAMPAIGN = "(unknown)"
_INSTANT = TypeAdapter[datetime](AwareDatetime)
_REQUIRED_HEADERS = ("ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "content-type")


@dataclass(frozen=True)
class RawRecord:
    """A Kafka record as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class ReceivedBatch:
    """A send batch with what its record said about it."""

    channel: str
    batch: AnySendBatch
    made_at: datetime
    record: RawRecord


class RefusedRecordError(Exception):
    """The record is not a send batch this library understands. The text never contains a customer's value."""


_CHANNEL_OF_TOPIC: dict[str, Channel] = {row.topic: row for row in CHANNELS}


def decode(record: RawRecord) -> ReceivedBatch:
    """The send batch in a record; `RefusedRecordError` says what was found and what was expected."""
    channel = _CHANNEL_OF_TOPIC[record.topic]
    headers = _headers(record)
    _check_envelope(headers, channel)
    if record.value is None:
        raise RefusedRecordError("the record has no value (a tombstone)")
    batch = _parse(record.value, channel)
    if not batch.batch_id == headers["ce_id"] == (record.key or b"").decode("utf-8", "replace"):
        raise RefusedRecordError(
            "batch_id in the value, the header ce_id and the record's key are not the same"
        )
    count = headers.get("message_count")
    if count is not None and count != str(len(batch.messages)):
        raise RefusedRecordError(
            f"the header message_count says {count[:20]}, the value has {len(batch.messages)} messages"
        )
    return ReceivedBatch(channel.name, batch, _made_at(headers["ce_time"]), record)


def campaign_of(record: RawRecord) -> str:
    """The campaign a record says it is of, for the count of refused records."""
    return _header(record, "campaign_id") or UNKNOWN_CAMPAIGN


def is_urgent(record: RawRecord) -> bool:
    """Whether it is of the lane that customers wait for."""
    return _header(record, "lane") == "urgent"


def _header(record: RawRecord, wanted: str) -> str:
    """The header's text as far as it can be read; empty when it is not there."""
    found = next((value for name, value in record.headers if name == wanted and value), b"")
    return found.decode("utf-8", "replace")[:256]


def _headers(record: RawRecord) -> dict[str, str]:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    missing = [name for name in _REQUIRED_HEADERS if name not in headers]
    if missing:
        raise RefusedRecordError(f"missing headers {', '.join(missing)}: not a CloudEvent in binary mode")
    return headers


def _check_envelope(headers: dict[str, str], channel: Channel) -> None:
    found = headers["ce_type"][:200]
    if found != channel.batch_type:
        family = channel.batch_type.rpartition(".")[0]
        if found.startswith(f"{family}."):
            raise RefusedRecordError(
                f"ce_type {found}: a version this sender does not know. Known: {channel.batch_type}. "
                "Update the sender, then replay its local dead letters."
            )
        raise RefusedRecordError(f"ce_type {found} on {channel.topic}. Expected: {channel.batch_type}")
    if headers["ce_specversion"] != "1.0":
        raise RefusedRecordError(f"ce_specversion {headers['ce_specversion'][:20]}. Expected: 1.0")
    if headers["content-type"].partition(";")[0].strip().lower() != "application/json":
        raise RefusedRecordError(f"content-type {headers['content-type'][:100]}. Expected: application/json")


def _parse(value: bytes, channel: Channel) -> AnySendBatch:
    model = RECORDS[str(topic(channel.topic).value_schema)]
    try:
        batch = model.model_validate_json(value)
    except ValidationError as problem:
        # Only places and kinds: the input would be a customer's address or message.
        errors = problem.errors(include_url=False, include_context=False, include_input=False)
        places = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'value'}: {error['msg']}" for error in errors[:3]
        )
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        raise RefusedRecordError(f"the value does not keep the contract: {places}{more}") from None
    assert isinstance(batch, (EmailSendBatch, SmsSendBatch, PushSendBatch))
    return batch


def _made_at(text: str) -> datetime:
    try:
        return _INSTANT.validate_strings(text)
    except ValidationError:
        raise RefusedRecordError(f"ce_time {text[:40]!r}. Expected: RFC 3339 with an offset") from None
