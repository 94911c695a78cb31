"""Send-batch records as a broker would hand them over, with everything a test may want to break."""

from __future__ import annotations

import json
from typing import Any

from schemas.channels import channel
from senders.decoding import RawRecord

CONTENT: dict[str, dict[str, Any]] = {
    "email": {
        "to": "ava.1@example.org",
        "subject": "Your cart",
        "preheader": None,
        "html": "<html><body><p>Hi</p></body></html>",
        "text": "Hi",
        "headers": {},
    },
    "sms": {"to": "+12125550123", "text": "Hi", "encoding": "GSM-7", "segments": 1},
    "push": {"token": "t-1", "title": "Hi", "body": "You", "deep_link": None, "data": {}},
}


def message(name: str, message_id: str, **changes: Any) -> dict[str, Any]:
    """One message of a channel."""
    common = {"message_id": message_id, "customer_id": "cust-1", "locale": "en", "variant": None}
    content = dict(CONTENT[name])
    if name == "email":
        content["headers"] = {"Message-ID": f"<{message_id}@example.org>"}
    return {**common, **content, **changes}


def record(
    name: str,
    message_ids: list[str],
    *,
    offset: int = 0,
    campaign_id: str = "cart_reminder",
    value: bytes | None = b"",
    headers: dict[str, str | None] | None = None,
    content: dict[str, Any] | None = None,
) -> RawRecord:
    """A record with one message for each id, changed by `content`; None in `headers` removes a header."""
    row = channel(name)
    batch_id = f"batch-{name}-{'-'.join(message_ids)}-{offset}"
    body = {
        "batch_id": batch_id,
        "pipeline": "triggered",
        "unit": 1,
        "channel": name,
        "campaign_id": campaign_id,
        "campaign_version": "sha256:00",
        "messages": [message(name, message_id, **(content or {})) for message_id in message_ids],
    }
    all_headers: dict[str, str | None] = {
        "ce_specversion": "1.0",
        "ce_id": batch_id,
        "ce_type": row.batch_type,
        "ce_source": "/carillon/triggered",
        "ce_time": "2026-03-01T09:00:01Z",
        "content-type": "application/json",
        "campaign_id": campaign_id,
        "message_count": str(len(message_ids)),
        **(headers or {}),
    }
    return RawRecord(
        topic=row.topic,
        partition=0,
        offset=offset,
        key=batch_id.encode(),
        value=json.dumps(body).encode() if value == b"" else value,
        headers=[(key, text.encode()) for key, text in all_headers.items() if text is not None],
    )
