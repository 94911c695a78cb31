"""What `carillon suppress --lift` says of what it has not lifted, without Spark."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from conf import Settings
from pipelines.edges.erasing import erasure_row, suppress
from pipelines.edges.tables import Tables
from tests.commands import carillon


@pytest.fixture
def listed(settings: Settings, tmp_path: Path) -> Path:
    """What is suppressed: a customer and an address on one channel each, another one everywhere, and one who was
    erased; and a list of all of them."""
    made = [
        {"kind": "customer", "value": "c-1", "channel": "sms", "cause": "complaint"},
        {"kind": "customer", "value": "c-1"},
        {"kind": "address", "value": "a@example.org", "channel": "email", "cause": "hard_bounce"},
        {"kind": "customer", "value": "c-2", "channel": "push"},
        {"kind": "customer", "value": "c-9", "channel": "sms"},
    ]
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    known = [{**row, "occurred_at": at, "event_id": f"e-{number}"} for number, row in enumerate(made)]
    suppress(Tables(settings.lake), [*known, erasure_row("c-3", at)], "test")
    file = tmp_path / "list.jsonl"
    given = [
        made[1],
        {"kind": "address", "value": "a@example.org"},
        {"kind": "customer", "value": "c-3"},
        {"kind": "domain", "value": "example.org"},
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in given), encoding="utf-8")
    return file


def test_what_still_stands_is_told_without_its_value(listed: Path, environment: dict[str, str]) -> None:
    assert carillon(environment, "suppress", str(listed), "--lift") == [
        "4 lifted",
        "entry 1 (customer) is still suppressed on sms (complaint): lift it on that channel",
        "entry 2 (address) is still suppressed on email (hard_bounce): lift it on that channel",
        "entry 3 (customer) is still suppressed on every channel (erased): that is for good",
    ]


def test_what_stands_on_every_channel_is_told_of_one_that_is_lifted(
    listed: Path, environment: dict[str, str]
) -> None:
    line = {"kind": "customer", "value": "c-1", "channel": "sms", "lifted": True}
    listed.write_text(json.dumps(line), encoding="utf-8")
    told = carillon(environment, "suppress", str(listed))
    assert told[1:] == [
        "entry 1 (customer) is still suppressed on every channel (manual): lift it without a channel"
    ]
    del line["channel"]
    listed.write_text(json.dumps(line), encoding="utf-8")
    assert len(carillon(environment, "suppress", str(listed))) == 1


def test_who_is_suppressed_is_not_told_so(listed: Path, environment: dict[str, str]) -> None:
    assert carillon(environment, "suppress", str(listed)) == ["4 suppressed"]
