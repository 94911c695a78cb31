"""Records to send batches: good ones typed, all others refused with what was found and what was expected."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from importlib import resources

import pytest

from schemas.channels import CHANNEL_NAMES, channel
from senders.decoding import RawRecord, RefusedRecordError, campaign_of, decode
from tests.senders.batches import record


@pytest.mark.parametrize("name", CHANNEL_NAMES)
def test_the_contract_s_own_examples_decode(name: str) -> None:
    text = resources.files("schemas.messages.examples").joinpath(f"{name}-send-batch.json").read_text("utf-8")
    example = json.loads(text)
    raw = RawRecord(
        topic=channel(name).topic,
        partition=3,
        offset=7,
        key=example["key"].encode(),
        value=json.dumps(example["value"]).encode(),
        headers=[(key, value.encode()) for key, value in example["headers"].items()],
    )
    received = decode(raw)
    assert received.channel == name
    assert received.made_at == datetime(2026, 3, 1, 9, 0, 1, tzinfo=timezone.utc)
    assert [each.message_id for each in received.batch.messages] == [
        each["message_id"] for each in example["value"]["messages"]
    ]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"ce_type": "carillon.send-batch.sms.v2"}, r"v2: a version .* Known: carillon\.send-batch\.sms\.v1"),
        ({"ce_type": "carillon.send-batch.push.v1"}, r"push\.v1 on sms\.send-batches\. Expected: .*sms\.v1"),
        ({"ce_type": None, "ce_time": None}, "missing headers ce_type, ce_time"),
        ({"ce_specversion": "0.3"}, "ce_specversion 0.3. Expected: 1.0"),
        ({"content-type": "avro/binary"}, "content-type avro/binary. Expected: application/json"),
        ({"ce_time": "today"}, "ce_time 'today'. Expected: RFC 3339"),
        ({"ce_id": "other"}, "not the same"),
        ({"message_count": "2"}, "message_count says 2, the value has 1"),
    ],
)
def test_headers_that_are_not_the_contract_are_refused(headers: dict[str, str | None], said: str) -> None:
    with pytest.raises(RefusedRecordError, match=said):
        decode(record("sms", ["m"], headers=headers))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (record("push", ["m"], value=None), "no value"),
        (record("push", ["m"], value=b"{"), "does not keep the contract"),
        (record("push", ["m"], value=b"\xff\xfe"), "does not keep the contract"),
        (
            record("email", ["m"], content={"subject": 5}),
            r"messages\.0\.subject: Input should be a valid str",
        ),
        (record("sms", ["m"], content={"segments": 0}), r"messages\.0\.segments"),
    ],
)
def test_values_that_are_not_the_contract_are_refused(raw: RawRecord, said: str) -> None:
    with pytest.raises(RefusedRecordError, match=said):
        decode(raw)


def test_a_refusal_shows_no_customer_s_value() -> None:
    with pytest.raises(RefusedRecordError) as refusal:
        decode(record("sms", ["m"], content={"to": "not-a-phone-of-ava"}))
    assert "messages.0.to" in str(refusal.value)
    assert "not-a-phone-of-ava" not in str(refusal.value)


def test_the_key_must_be_the_batch_id() -> None:
    with pytest.raises(RefusedRecordError, match="not the same"):
        decode(replace(record("sms", ["m"]), key=None))


def test_the_campaign_of_a_refused_record_is_what_its_header_says() -> None:
    assert campaign_of(record("sms", ["m"], value=b"{", campaign_id="welcome")) == "welcome"
    assert campaign_of(record("sms", ["m"], headers={"campaign_id": None})) == "(unknown)"
