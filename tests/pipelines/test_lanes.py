"""Which lane a campaign's messages take, and where a lane lies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from pipelines.lanes import BULK, URGENT, lane, lane_partition, sort_to_publish
from tests.builders import make_campaign, scheduled_campaign


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"topic": "transactional"}, URGENT),
        ({"topic": "reminders"}, BULK),
        ({"topic": "marketing", "lane": "urgent"}, URGENT),
        ({"topic": "transactional", "lane": "bulk"}, BULK),
    ],
)
def test_what_a_customer_waits_for_is_urgent(keys: dict[str, Any], expected: str) -> None:
    assert lane(make_campaign(None, **keys)) == expected


def test_a_run_is_bulk_unless_it_says_otherwise() -> None:
    assert lane(scheduled_campaign(topic="transactional")) == BULK
    assert lane(scheduled_campaign(lane="urgent")) == URGENT


def test_bulk_is_spread_over_all_partitions_but_the_urgent_one() -> None:
    keys = [f"batch-{number}".encode() for number in range(3_000)]
    assert {lane_partition(URGENT, key, 4) for key in keys} == {0}
    found = Counter(lane_partition(BULK, key, 4) for key in keys)
    assert set(found) == {1, 2, 3}
    assert min(found.values()) > 900
    assert {lane_partition(name, keys[0], 1) for name in (URGENT, BULK)} == {0}
    assert {lane_partition(BULK, key, 2) for key in keys} == {1}


def test_urgent_messages_leave_first_and_one_lane_alone_goes_by_its_ids() -> None:
    news, parcel = make_campaign(), make_campaign(None, campaign_id="parcel", topic="transactional")
    ids, versions = ["m-3", "m-2", "m-1", "m-4"], ["news", "parcel", "news", "parcel"]
    rows = pa.table({"message_id": ids, "campaign_version": versions})

    def ordered(**campaigns: Any) -> list[str]:
        return [str(name) for name in sort_to_publish(rows, campaigns)["message_id"].to_pylist()]

    assert ordered(news=news, parcel=parcel) == ["m-2", "m-4", "m-1", "m-3"]
    assert ordered(news=news) == ordered(parcel=parcel) == ["m-1", "m-2", "m-3", "m-4"]
