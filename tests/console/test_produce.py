"""`carillon produce` without a broker: what it says about lines that do not keep the contract."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import conf
from console.broker import BrokerError, check_topic_name
from console.produce import InvalidLinesError, check_lines, produce_file

GOOD = {
    "trigger_id": "t-1",
    "campaign_id": "cart_reminder",
    "customer_id": "cust-1",
    "occurred_at": "2026-03-01T09:00:00Z",
    "data": {},
}


def write(path: Path, *lines: object) -> Path:
    file = path / "lines.jsonl"
    file.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8"
    )
    return file


def test_valid_lines_are_counted_and_blank_ones_skipped(tmp_path: Path) -> None:
    assert check_lines("campaign.triggers", write(tmp_path, GOOD, "", "  ", GOOD)) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{'trigger_id': 1}", r"line 2: Invalid JSON: .*must be one JSON object"),
        ("[1]", r"line 2: the line: .*found the array \[1\]"),
        (GOOD | {"customer_id": 12}, r"line 2: customer_id: .*found the number 12\. Put it in double quotes"),
        (
            GOOD | {"occurred_at": "noon"},
            r'occurred_at: .*found the text "noon"\. Write it like 2026-03-01T09:00:00Z',
        ),
        (
            GOOD | {"occurred_at": "2026-03-01T09:00:00"},
            r"occurred_at: .*timezone.*Write it like 2026-03-01T09:00:00Z",
        ),
        (GOOD | {"data": []}, r"data: .*found the array \[\]"),
        (
            GOOD | {"occurred_at": "2026-03-01T09:00Z"},
            r"occurred_at: .*RFC 3339.*Write it like 2026-03-01T09",
        ),
        (GOOD | {"schema_version": True}, r"schema_version: Input should be 1, found the boolean true"),
        (
            json.dumps(GOOD)[:-1] + ', "customer_id": "c-2"}',
            r'line 2: the line: .*key twice.*, found the text "customer_id"\. Remove one of the two',
        ),
        (
            GOOD | {"data": {"x": "y" * 1_000_000}},
            r"line 2: 1,000,\d\d\d bytes; allowed: 1,000,000\. The stream",
        ),
        (GOOD | {"schema_version": 2}, r"schema_version: Input should be 1, found the number 2"),
        (
            {name: GOOD[name] for name in GOOD if name != "customer_id"} | {"custmer_id": "x"},
            r"customer_id: missing\. Found 'custmer_id': rename it to 'customer_id'",
        ),
        (
            {name: GOOD[name] for name in GOOD if name != "data"},
            r"data: missing\. Add it; fields: trigger_id, ",
        ),
    ],
)
def test_an_invalid_line_is_named_with_what_to_do(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(InvalidLinesError, match=said) as refusal:
        check_lines("campaign.triggers", write(tmp_path, GOOD, line))
    assert "Nothing was sent" in str(refusal.value)
    assert "line 1:" not in str(refusal.value)


def test_a_file_full_of_errors_shows_the_first_ones_and_the_count(tmp_path: Path) -> None:
    with pytest.raises(InvalidLinesError, match=r"and more, in 1,000 invalid lines of 1,001") as refusal:
        check_lines("campaign.triggers", write(tmp_path, GOOD, *["no"] * 1_000))
    assert str(refusal.value).count("Invalid JSON") == 10


def test_a_topic_without_contract_needs_to_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidLinesError, match="--no-validate"):
        check_lines("campaign.dead-letters", write(tmp_path, GOOD))


def test_an_unknown_topic_gets_its_closest_name() -> None:
    with pytest.raises(
        BrokerError, match=r"unknown topic 'campaign\.trigger'\. Did you mean 'campaign\.triggers'\?"
    ):
        check_topic_name("campaign.trigger")


def test_a_broker_that_is_not_there_is_one_line_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.broker.BROKER_TIMEOUT_S", 1.0)
    settings = conf.load("local", environ={"CARILLON_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"})
    started = time.monotonic()
    with pytest.raises(
        BrokerError, match=r"no answer from Kafka at 127\.0\.0\.1:9 in 1 s .*make dev"
    ) as refusal:
        produce_file(settings, "campaign.triggers", write(tmp_path, GOOD))
    assert time.monotonic() - started < 3
    assert "\n" not in str(refusal.value)
