"""A day of the real stream and of real runs, on real servers, decided as the plain-Python day decides it.

Each customer is one generated scenario: who they are, what they have agreed to, and what happens to them over two
epochs, with holds that fall due in between; then two runs over all of them.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from conf import Settings
from pipelines.edges.scheduled import run_campaign
from tests.builders import NOW
from tests.oracle.day import Day, Key
from tests.oracle.past import Past
from tests.oracle.shop import LETTERS, open_shop
from tests.oracle.world import HOUSE, MOMENTS, Shop, outside
from tests.pipelines.edges.workspace import Workspace

Decision = tuple[str, str | None, int | None]


def expected_of(shop: Shop) -> Day:
    """The day in plain Python."""
    day = Day(shop.people, shop.campaigns, HOUSE, Past(NOW), shop.conditions)
    for now, records in zip(MOMENTS, shop.records, strict=True):
        day.release(now)
        day.epoch(now, records)
    for name in LETTERS:
        day.run(shop.campaigns[name], "r", MOMENTS[-1], outside)
    return day


@pytest.mark.usefixtures("fresh_topics")
def test_a_day_of_epochs_releases_and_runs(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    expected = expected_of(shop)
    workspace = Workspace(spark, settings.model_copy(update={"decide": HOUSE}))
    workspace.promote(shop.people.values())
    workspace.publish(*shop.campaigns.values())
    monkeypatch.setattr("pipelines.edges.scheduled.now", lambda: MOMENTS[-1])
    for now, records in zip(MOMENTS, shop.records, strict=True):
        monkeypatch.setattr("pipelines.edges.stream.now", lambda now=now: now)
        if now != MOMENTS[0]:
            # What is due is released before anything else arrives; otherwise the two come in any order.
            assert [report["pipeline"] for report in workspace.run()] == ["triggered-holds"]
        for topic in ("campaign.triggers", "customer.events"):
            workspace.send(topic, *[document for where, document in records if where == topic])
        assert [report["pipeline"] for report in workspace.run()] == ["triggered"]
    for name in LETTERS:
        run_campaign(spark, workspace.settings, name, "r")
    found = recorded(workspace)
    wanted = {
        key: Counter((one.decision, one.reason, _micros(one.due_at)) for one in verdicts)
        for key, verdicts in expected.decided.items()
    }
    wrong = {
        key: (found.get(key), wanted.get(key))
        for key in {*found, *wanted}
        if found.get(key) != wanted.get(key)
    }
    assert not wrong, (len(wrong), describe(shop, wrong))
    workspace.check()
    seen = Counter(one.reason or "sent" for verdicts in expected.decided.values() for one in verdicts)
    assert min(seen[reason] for reason in REACHED) > 4, seen


def recorded(workspace: Workspace) -> dict[Key, Counter[Decision]]:
    """What the ledger says, in the words of the oracle."""
    columns = ("pipeline", "source_id", "campaign_id", "customer_id", "channel", "decision", "reason")
    found: dict[Key, Counter[Decision]] = {}
    for row in workspace.ledger().select(*columns, F.unix_micros("due_at").alias("due")).collect():
        pipeline, source_id, campaign_id, customer_id, channel, *decision = row
        key = (pipeline, source_id, campaign_id, customer_id, channel)
        found.setdefault(key, Counter())[tuple(decision)] += 1
    return found


def describe(shop: Shop, wrong: dict[Key, Any]) -> list[Any]:
    """The first few, with the customer's whole history."""
    told = []
    for key, pair in sorted(wrong.items(), key=str)[:4]:
        history = [
            (number, record)
            for number, records in enumerate(shop.records)
            for record in records
            if record[1]["customer_id"] == key[3]
        ]
        told.append((key, pair, shop.campaigns.get(key[2]), shop.people.get(key[3]), history))
    return told


def _micros(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000_000)


REACHED = (
    "sent", "unknown_campaign", "campaign_paused", "duplicate_trigger", "cancelled", "reentry", "expired",
    "unknown_customer", "outside_audience", "no_address", "invalid_address", "suppressed", "no_consent", "holdout",
    "house_holdout", "outside_window", "channel_not_chosen", "frequency_capped", "lost_to_priority", "held_delay",
    "held_quiet_hours", "held_window",
)  # fmt: skip
