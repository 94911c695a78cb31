"""`carillon produce` and `carillon consume` against the real broker."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from conf import Settings
from console.broker import BrokerError, send
from console.consume import read_topic
from console.produce import InvalidLinesError, produce_file
from examples.traffic import generate_traffic

pytestmark = pytest.mark.usefixtures("fresh_topics")

LINE = {
    "trigger_id": "t-1",
    "campaign_id": "cart_reminder",
    "customer_id": "cust-1",
    "occurred_at": "2026-03-01T09:00:00Z",
    "data": {"cart_id": "é"},
}


def test_lines_arrive_as_they_are_keyed_by_customer(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(
        "".join(json.dumps(LINE | {"customer_id": f"cust-{number}"}) + "\n" for number in range(50))
    )
    assert produce_file(settings, "campaign.triggers", file) == 50
    records = list(read_topic(settings, "campaign.triggers", idle_s=0.5))
    assert {(record["key"], record["value"]["customer_id"]) for record in records} == {
        (f"cust-{number}", f"cust-{number}") for number in range(50)
    }
    assert records[0]["value"]["data"] == {"cart_id": "é"}
    assert len(list(read_topic(settings, "campaign.triggers", records_max=7))) == 7
    assert list(read_topic(settings, "campaign.triggers", from_beginning=False, idle_s=0.2)) == []


def test_one_invalid_line_keeps_all_of_them_back_unless_told_otherwise(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(json.dumps(LINE) + "\nnot json\n")
    with pytest.raises(InvalidLinesError, match="line 2"):
        produce_file(settings, "campaign.triggers", file)
    assert list(read_topic(settings, "campaign.triggers", idle_s=0.2)) == []
    assert produce_file(settings, "campaign.triggers", file, validate=False) == 2
    records = list(read_topic(settings, "campaign.triggers", idle_s=0.5))
    assert {record.get("value_text") for record in records} == {None, "not json"}
    assert {record["key"] for record in records} == {"cust-1", None}


def test_a_record_the_broker_refuses_is_counted_and_named(settings: Settings) -> None:
    with pytest.raises(BrokerError, match=r"1 records were not taken .* 2 were\. 1 x send\.progress: "):
        send(
            settings,
            [
                ("campaign.triggers", b"a", b"{}"),
                ("send.progress", b"k", b"x" * 3_000_000),
                ("campaign.triggers", b"a", b"{}"),
            ],
        )


def test_all_synthetic_traffic_fits_through(settings: Settings) -> None:
    traffic = generate_traffic(2_000, 1, datetime(2026, 3, 1, tzinfo=timezone.utc))
    taken = send(settings, ((record.topic, record.key, record.value) for record in traffic.records))
    assert taken.total() == traffic.total
    arrived = [record for topic in taken for record in read_topic(settings, topic, idle_s=0.5)]
    assert len(arrived) == traffic.total


def test_a_topic_the_broker_does_not_have(settings: Settings) -> None:
    with pytest.raises(BrokerError, match="cannot serve topic 'nonsense'"):
        list(read_topic(settings, "nonsense", idle_s=0.2))
