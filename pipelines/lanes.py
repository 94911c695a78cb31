"""Lanes: what a customer waits for does not stand behind a million newsletters, neither in a unit nor on a topic.

Invariant: on each send-batch topic the first partition carries urgent batches and nothing else, and the others bulk
alone, so that a sender reaches an urgent batch without reading any bulk. Within a unit urgent messages are published
first, and of what has waited they are released first. It does not hurry the stream itself: its records are read in the
order of their topics.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import CampaignSpec

URGENT, BULK = "urgent", "bulk"
#: The partition of urgent batches.
URGENT_PARTITION = 0


def lane(campaign: CampaignSpec) -> str:
    """The declared lane, or the default: what a customer has just asked for is urgent."""
    is_awaited = campaign.kind == "triggered" and campaign.topic == "transactional"
    return campaign.lane or (URGENT if is_awaited else BULK)


def urgent_campaigns(campaigns: Iterable[CampaignSpec]) -> list[str]:
    """The ids of those whose lane is urgent; of a campaign that is gone nobody knows it, so that it is bulk."""
    return sorted(one.campaign_id for one in campaigns if lane(one) == URGENT)


def lane_partition(name: str, key: bytes, partitions: int) -> int:
    """The partition of a batch of that lane, in a topic of so many; a topic of one has no lanes."""
    if name == URGENT or partitions == 1:
        return URGENT_PARTITION
    return 1 + zlib.crc32(key) % (partitions - 1)


def sort_to_publish(rows: pa.Table, campaigns: Mapping[str, CampaignSpec]) -> pa.Table:
    """The rows of one send partition in the order in which they are published; `campaigns` by version. It is a function
    of what the manifest pins, because a unit that is started again must cut the same transactions."""
    if not _is_mixed(campaigns):
        return rows.sort_by("message_id")
    is_urgent = pc.is_in(rows["campaign_version"], value_set=pa.array(_urgent(campaigns)))
    marked = rows.append_column("is_bulk", pc.invert(is_urgent))
    return marked.sort_by([("is_bulk", "ascending"), ("message_id", "ascending")]).drop_columns(["is_bulk"])


def _urgent(campaigns: Mapping[str, CampaignSpec]) -> list[str]:
    return sorted(version for version, one in campaigns.items() if lane(one) == URGENT)


def _is_mixed(campaigns: Mapping[str, CampaignSpec]) -> bool:
    return 0 < len(_urgent(campaigns)) < len(campaigns)
