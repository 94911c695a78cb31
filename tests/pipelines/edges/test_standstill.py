"""After a standstill a delivery rate is kept all the same, in however many releases the backlog is worked off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.scheduled import run_campaign
from tests.builders import NOW, scheduled_campaign
from tests.pipelines.edges.workspace import Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def test_what_has_missed_its_turn_goes_to_the_end_of_the_line(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(spark, settings)
    workspace.promote(people(*(f"c-{number}" for number in range(8))))
    workspace.publish(scheduled_campaign(channels=["sms"], rate={"per_minute": 2}))

    def run(name: str, at: datetime) -> None:
        monkeypatch.setattr("pipelines.edges.scheduled.now", lambda: at)
        line = run_campaign(spark, settings, "letter", name)["campaigns"]["letter"]["sms"]
        assert (line["sent"], line["held"]) == (2, 6)

    def releases(at: datetime) -> list[tuple[int, int]]:
        """Sent and held of each, of two messages as there are of twenty thousand when there are more."""
        monkeypatch.setattr("pipelines.edges.stream.now", lambda: at)
        found: list[dict[str, Any]] = workspace.run(max_offsets_per_epoch=2)
        lines = [one["campaigns"]["letter"]["sms"] for one in found if one["pipeline"] == "triggered-holds"]
        return [(line["sent"], line["held"]) for line in lines]

    run("1", NOW)
    # Nothing is released for ten minutes, and what the first run holds is due meanwhile.
    second = NOW + 9.5 * MINUTE
    run("2", second)
    assert releases(second + MINUTE + SECOND) == [(0, 2), (0, 2), (0, 2), (2, 0)]
    for minute in range(2, 7):
        assert releases(second + minute * MINUTE + SECOND) == [(2, 0)]
    sent = workspace.ledger().where("decision = 'sent'").select("source_id", "decided_at").collect()
    order = sorted((row.decided_at, row.source_id) for row in sent)
    assert [name for _, name in order] == ["1"] * 2 + ["2"] * 8 + ["1"] * 6
    assert all(later[0] - one[0] >= MINUTE for one, later in zip(order, order[2:], strict=False))
    workspace.check()
