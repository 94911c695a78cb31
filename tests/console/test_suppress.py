"""Which lists `carillon suppress` takes, and what it says of what it has not lifted, without Spark."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from conf import Settings
from console.suppress import read_rows
from pipelines.edges.erasing import erasure_row, suppress
from pipelines.edges.tables import Tables
from pipelines.errors import InputError
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON in UTF-8"),
        ('{"kind": "customer", "value": "Zo\udceb"}', "line 1 is not JSON in UTF-8"),
        ('{"kind": "customer"}', "needs 'kind' and 'value'"),
        ('{"kind": "shoe", "value": "x"}', "'kind' is none of customer, address, domain"),
        ('{"kind": "domain", "value": "x.y", "why": "y"}', "unknown key 'why'"),
        ('{"kind": "domain", "value": "x.y", "channel": "fax"}', "'channel' is none of"),
        ('{"kind": "domain", "value": "x.y", "cause": "erased"}', "carillon erase"),
        # What can never match would suppress nobody, and nobody would know.
        ('{"kind": "domain", "value": "*.example.org"}', "is no domain"),
        ('{"kind": "domain", "value": "a@example.org"}', "is no domain"),
        ('{"kind": "address", "value": "+1 202 5550101"}', "is no address"),
        ('{"kind": "address", "value": "Ann <a@example.org>"}', "is no address"),
        ('{"kind": "address", "value": "mailto:a@example.org"}', "is no address"),
        ('{"kind": "customer", "value": " "}', "is blank"),
        ('{"kind": "customer", "value": "c-1", "lifted": "false"}', "neither true nor false"),
    ],
)
def test_a_list_with_a_mistake_is_refused_whole(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "list.jsonl"
    # A byte that is none of UTF-8 stands in a line as a surrogate.
    file.write_bytes(f"{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="Nothing was recorded") as refused:
        read_rows(file)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "domain", "value": "@Example.org."}',
        '{"kind": "domain", "value": "bücher.example.org"}',
        '{"kind": "address", "value": " Ann@example.org"}',
        '{"kind": "address", "value": "+12025550101"}',
        '{"kind": "address", "value": "fcm-0123456789"}',
        '{"kind": "customer", "value": "c-1", "lifted": true}',
    ],
)
def test_what_somebody_can_have_is_taken(tmp_path: Path, line: str) -> None:
    file = tmp_path / "list.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    assert len(read_rows(file)) == 1
