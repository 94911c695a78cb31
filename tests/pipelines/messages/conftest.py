"""Campaigns made in memory and recipients as the publisher hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol

import pyarrow as pa
import pytest

from pipelines.campaigns import Campaign
from pipelines.links import LinkSettings

OCCURRED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
CUSTOMER: Mapping[str, Any] = {
    "email": "ann@example.org",
    "phone": "+15550100",
    "push_token": "token-1",
    "first_name": "Ann",
}
CUSTOMER_TYPE = pa.struct([(name, pa.string()) for name in ("customer_id", *CUSTOMER)])
TEMPLATES: Mapping[str, str] = {
    "email/subject.en.txt.j2": "Hello {{ customer.first_name }}",
    "email/html.en.html.j2": "<p>{{ customer.first_name }}</p>",
    "email/text.en.txt.j2": "Hello {{ customer.first_name }}",
    "sms/text.en.txt.j2": "Hi {{ customer.first_name }}",
    "push/title.en.txt.j2": "Hi {{ customer.first_name }}",
    "push/body.en.txt.j2": "Body",
}


@pytest.fixture(scope="session")
def links() -> LinkSettings:
    base = "https://links.example.org"
    return LinkSettings(f"{base}/unsubscribe", f"{base}/preferences", f"{base}/t", b"k" * 32)


class MakeCampaign(Protocol):
    """A campaign with changed templates (None removes one) and keys."""

    def __call__(self, templates: Mapping[str, str | None] | None = None, /, **keys: Any) -> Campaign: ...


@pytest.fixture
def make_campaign() -> MakeCampaign:
    def make(templates: Mapping[str, str | None] | None = None, /, **keys: Any) -> Campaign:
        merged = {**TEMPLATES, **(templates or {})}
        content = {
            "campaign_id": "welcome",
            "name": "Welcome",
            "topic": "marketing",
            "kind": "triggered",
            "trigger": {"event": "account.opened"},
            "data": {"plan": "string", "seats": "long"},
            "channels": ["email", "sms", "push"],
            "default_locale": "en",
            "templates": {path: text for path, text in merged.items() if text is not None},
        }
        return Campaign.model_validate({**content, **keys})

    return make


class MakeBatch(Protocol):
    """A batch with one row for each mapping of changes."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch: ...


@pytest.fixture
def make_batch() -> MakeBatch:
    def make(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        full = [_row(number, changes) for number, changes in enumerate(rows)]
        schema = pa.schema(
            [
                *((name, pa.string()) for name in ("message_id", "customer_id", "locale", "variant")),
                ("occurred_at", pa.timestamp("us", "UTC")),
                *((name, pa.string()) for name in ("source", "source_id", "data")),
                ("customer", CUSTOMER_TYPE),
            ]
        )
        return pa.RecordBatch.from_pylist(full, schema=schema)

    return make


def _row(number: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "message_id": f"m-{number}",
        "customer_id": f"c-{number}",
        "locale": "en",
        "variant": None,
        "occurred_at": OCCURRED_AT,
        "source": "event",
        "source_id": f"e-{number}",
        "data": "{}",
    }
    customer = {name: changes[name] for name in CUSTOMER if name in changes}
    own = {name: value for name, value in changes.items() if name not in CUSTOMER}
    row |= own
    return {**row, "customer": {**CUSTOMER, **customer, "customer_id": row["customer_id"]}}
