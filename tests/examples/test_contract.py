"""Examples against the contracts: valid traffic is valid, malformed traffic is malformed."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from pydantic import ValidationError

from examples.malformed import MALFORMED, Malformed, noise
from examples.records import TRIGGERS
from examples.traffic import generate_traffic
from schemas.messages import CustomerEvent, Trigger

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def parse(topic: str, value: bytes) -> Trigger | CustomerEvent:
    return (Trigger if topic == TRIGGERS else CustomerEvent).model_validate_json(value)


@pytest.mark.parametrize("way", MALFORMED, ids=[f"{way.topic}: {way.kind}" for way in MALFORMED])
def test_every_malformed_value_is_refused(way: Malformed) -> None:
    value = way.make(7, "2026-03-01T12:00:00.000Z")
    if value is not None:
        with pytest.raises(ValidationError):
            parse(way.topic, value)


def test_noise_is_refused() -> None:
    with pytest.raises(ValidationError):
        parse(TRIGGERS, noise(1))


def test_exactly_the_malformed_records_are_refused() -> None:
    traffic = generate_traffic(5_000, 1, NOW)
    refused = 0
    for record in traffic.records:
        try:
            if record.value is None:
                refused += 1
            else:
                parse(record.topic, record.value)
        except ValidationError:
            refused += 1
    assert refused == traffic.malformed
