"""A record is refused before it is written exactly when the stream would refuse it afterwards."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from examples.malformed import MALFORMED
from schemas.inputs import RECORD_BYTES_MAX
from schemas.messages import Trigger
from schemas.reading import read_record
from tests.builders import as_json, event, trigger
from tests.pipelines.test_decode import AT, REFUSED, TIMES_READ, TIMES_REFUSED, padded

TRIGGERS, EVENTS = "campaign.triggers", "customer.events"
VALUES: list[tuple[str, str, Any]] = [
    *((what, TRIGGERS, value) for what, value, _ in REFUSED),
    *((one.kind, one.topic, one.make(1, AT)) for one in MALFORMED),
    *((f"occurred_at {text!r}", EVENTS, event(occurred_at=text)) for text in TIMES_REFUSED),
    *((f"expires_at {text!r}", TRIGGERS, trigger(expires_at=text)) for text in TIMES_REFUSED),
]


@pytest.mark.parametrize(("topic", "value"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_what_the_stream_refuses(topic: str, value: Any) -> None:
    octets = value if isinstance(value, bytes | None) else as_json(value)
    with pytest.raises(ValidationError):
        read_record(topic, octets or b"")


@pytest.mark.parametrize(("text", "utc"), TIMES_READ, ids=[text for text, _ in TIMES_READ])
def test_times_that_the_stream_reads(text: str, utc: str) -> None:
    record = read_record(TRIGGERS, as_json(trigger(occurred_at=text)))
    assert isinstance(record, Trigger)
    expected = datetime.fromisoformat(utc.ljust(26, "0") if "." in utc else utc)
    assert record.occurred_at == expected.replace(tzinfo=timezone.utc)


def test_the_largest_record() -> None:
    assert isinstance(read_record(TRIGGERS, padded(RECORD_BYTES_MAX)), Trigger)


def test_a_number_that_is_none_deep_inside() -> None:
    with pytest.raises(ValidationError, match="NaN"):
        read_record(TRIGGERS, as_json(trigger(data=...))[:-1] + b',"data":{"a":[NaN]}}')
