"""The synthetic traffic: the account adds up, and each sort of record is what its count says."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from examples.malformed import MALFORMED
from examples.records import EVENTS, TRIGGERS
from examples.traffic import Traffic, generate_traffic

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return generate_traffic(CUSTOMERS, 1, NOW)


def _well_formed(traffic: Traffic) -> list[dict[str, object]]:
    """What parses and has an id that a malformed record never has."""
    parsed = []
    for record in traffic.records:
        try:
            value = json.loads(record.value or b"")
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "-bad-" not in str(value):
            parsed.append(value)
    return parsed


def test_the_account_adds_up(traffic: Traffic) -> None:
    assert traffic.total == len(traffic.records)
    assert sum(traffic.malformed_by_kind.values()) == traffic.malformed
    assert set(traffic.malformed_by_kind) == {way.kind for way in MALFORMED} | {"5 MB of noise"}
    assert 0.13 * CUSTOMERS < traffic.triggers + traffic.events < 0.17 * CUSTOMERS


def test_counts_are_those_of_the_records(traffic: Traffic) -> None:
    records = _well_formed(traffic)
    ids = Counter(str(record.get("trigger_id", record.get("event_id"))) for record in records)
    prefixes = Counter(identity.rsplit("-", 1)[0] for identity in ids)
    assert prefixes == {
        "trg": traffic.triggers,
        "trg-old": traffic.expired,
        "trg-who": traffic.unknown_customers,
        "trg-what": traffic.unknown_campaigns,
        "evt-shipped": traffic.events - prefixes["evt-delivery"],
        "evt-delivery": traffic.events - prefixes["evt-shipped"],
        "evt-consent": traffic.consent_events,
        "evt-page": traffic.unrelated_events,
    }
    assert sum(times - 1 for times in ids.values()) == traffic.duplicates
    assert len(records) == traffic.total - traffic.malformed


def test_duplicates_are_byte_for_byte(traffic: Traffic) -> None:
    well_formed = Counter(
        record.value for record in traffic.records if record.value and b"-bad-" not in record.value
    )
    repeated = sum(
        times - 1
        for value, times in well_formed.items()
        if value.startswith((b'{"trigger_id', b'{"event_id'))
    )
    assert repeated == traffic.duplicates


def test_expired_and_late(traffic: Traffic) -> None:
    records = [record for record in _well_formed(traffic) if "expires_at" in record]
    expired = {
        record["trigger_id"]
        for record in records
        if datetime.fromisoformat(str(record["expires_at"]).replace("Z", "+00:00")) < NOW
    }
    assert len(expired) == traffic.expired
    late = {
        record["trigger_id"]
        for record in _well_formed(traffic)
        if "trigger_id" in record
        and datetime.fromisoformat(str(record["occurred_at"]).replace("Z", "+00:00"))
        < NOW - timedelta(days=1)
    } - expired
    assert len(late) == traffic.late > 0


def test_the_key_is_the_customer(traffic: Traffic) -> None:
    for record in traffic.records:
        if (
            record.value
            and record.value.startswith((b'{"trigger_id', b'{"event_id'))
            and b"-bad-" not in record.value
        ):
            assert record.key == json.loads(record.value)["customer_id"].encode()


def test_same_arguments_same_records(traffic: Traffic) -> None:
    assert generate_traffic(CUSTOMERS, 1, NOW).records == traffic.records
    assert generate_traffic(CUSTOMERS, 2, NOW).records != traffic.records


def test_a_handful_of_customers_still_gets_one_of_everything() -> None:
    small = generate_traffic(1, 1, NOW, with_noise=False)
    assert min(small.triggers, small.events, small.consent_events, small.expired, small.duplicates) >= 1
    assert small.malformed == len(MALFORMED)
    assert {record.topic for record in small.records} == {TRIGGERS, EVENTS}


def test_the_noise_is_about_five_megabytes(traffic: Traffic) -> None:
    assert max(len(record.value or b"") for record in traffic.records) == 5_000_000


@pytest.mark.parametrize(("customers", "now"), [(0, NOW), (10, NOW.replace(tzinfo=None))])
def test_arguments_that_make_no_sense_are_refused(customers: int, now: datetime) -> None:
    with pytest.raises(ValueError, match="pass"):
        generate_traffic(customers, 1, now)
