"""What a release works on: which of the due holds, and which of them keep their turn."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines.campaigns import Campaign
from pipelines.campaigns.hours import NO_RULES
from pipelines.edges.due import DueHolds
from pipelines.edges.manifests import Manifest
from pipelines.edges.tables import Tables
from pipelines.releases import make_release_work, release_pipeline
from schemas.tables import table
from tests.builders import NOW, hold_row, make_campaign, scheduled_campaign

HOLDS = table("holds")
OWNER = release_pipeline("triggered")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings.lake)


def released(spark: SparkSession, tables: Tables, most: int, *campaigns: Campaign) -> pa.Table:
    """The candidates of a release at `NOW`."""
    versions = {f"digest-{number}": one for number, one in enumerate(campaigns)}
    pinned = {one.campaign_id: digest for digest, one in versions.items()}
    now, seen = NOW.isoformat(), tables.version(HOLDS)
    manifest = Manifest(OWNER, 0, now, 0, now, 0, 0, 2, pinned, holds_version=seen)
    due, load = DueHolds(tables, OWNER), versions.__getitem__
    candidates = make_release_work(due, most, spark, manifest, versions, NO_RULES, load).candidates
    assert isinstance(candidates, DataFrame)
    return candidates.toArrow()


@pytest.mark.parametrize("reason", ["held_rate", None])
def test_a_turn_is_missed_after_two_minutes(spark: SparkSession, tables: Tables, reason: str | None) -> None:
    waited = [
        *(hold_row(f"h-{n}", NOW - n * SECOND, reason=reason) for n in (0, 120, 121, 7_200)),
        hold_row("h-quiet", NOW, reason="held_quiet_hours"),
    ]
    tables.append(HOLDS, pa.Table.from_pylist(waited, HOLDS.arrow_schema()))
    found = released(spark, tables, 9, scheduled_campaign()).to_pylist()
    assert {row["hold_id"]: row["has_turn"] for row in found} == {
        "h-0": True,
        "h-120": True,
        "h-121": False,
        "h-7200": False,
        "h-quiet": False,
    }
    assert all(row["is_due"] for row in found)


def test_the_urgent_lane_comes_before_priority_and_this_before_time(
    spark: SparkSession, tables: Tables
) -> None:
    due = [
        hold_row("h-gone", NOW - 3 * MINUTE, campaign_id="gone"),
        hold_row("h-early", NOW - 2 * MINUTE, customer_id="c-2"),
        hold_row("h-high", NOW - MINUTE, customer_id="c-3", priority=90),
        hold_row("h-receipt", NOW, campaign_id="receipt"),
        hold_row("h-alarm", NOW, campaign_id="alarm", priority=60),
    ]
    tables.append(HOLDS, pa.Table.from_pylist(due, HOLDS.arrow_schema()))
    letter = scheduled_campaign()
    receipt = make_campaign(None, campaign_id="receipt", topic="transactional")
    alarm = make_campaign(None, campaign_id="alarm", topic="reminders", lane="urgent")

    def first(most: int, *campaigns: Campaign) -> set[str]:
        return set(released(spark, tables, most, *campaigns)["hold_id"].to_pylist())

    assert first(1, letter, receipt, alarm) == {"h-alarm"}
    assert first(2, letter, receipt, alarm) == {"h-alarm", "h-receipt"}
    assert first(3, letter, receipt, alarm) == {"h-alarm", "h-receipt", "h-high"}
    assert first(4, letter, receipt, alarm) == {"h-alarm", "h-receipt", "h-high", "h-gone"}
    assert first(1, letter) == {"h-high"}
