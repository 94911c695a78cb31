"""A day of the real stream in many epochs and the same day in one: alike for all for whom the rules say it must be.

Both sides are the stream itself, on real servers, each with a lake and topics of its own. What may differ is listed in
docs/decisions.md.
"""

from __future__ import annotations

from collections import Counter

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from embedded.servers import EmbeddedServers
from schemas.topics import load_topics
from tests.oracle.shop import open_shop
from tests.oracle.test_day import recorded
from tests.oracle.world import HOUSE, MOMENTS, Record, Shop
from tests.pipelines.edges.workspace import Workspace

CUSTOMERS, EPOCHS = 600, 4
TOPICS = ("campaign.triggers", "customer.events")
#: Events that change what is decided of the customer from then on.
CHANGING = ("consent.changed", "customer.suppressed", "customer.erased", "order.refunded", "customer.left")
#: Reasons that come from comparing messages with each other.
COMPARED = ("frequency_capped", "lost_to_priority", "reentry")
#: (source id, campaign, channel, decision, reason, due at)
Outcome = tuple[str, str, str | None, str, str | None, int | None]


def outcomes(
    workspace: Workspace, shop: Shop, records: list[Record], epochs: int
) -> dict[str, Counter[Outcome]]:
    """What became of each customer, by the ledger."""
    workspace.promote(shop.people.values())
    workspace.publish(*shop.campaigns.values())
    for topic in TOPICS:
        workspace.send(topic, *[document for where, document in records if where == topic])
    # Spark takes of each topic its share, so that the two stay side by side. At one time: nothing falls due in between.
    reports = workspace.run(max_offsets_per_epoch=-(-len(records) // epochs) + len(TOPICS))
    assert [report["pipeline"] for report in reports] == ["triggered"] * epochs
    workspace.check()
    found: dict[str, Counter[Outcome]] = {}
    for (_, source_id, campaign_id, customer_id, channel), decisions in recorded(workspace).items():
        counted = found.setdefault(customer_id, Counter())
        for decision, number in decisions.items():
            counted[(source_id, campaign_id, channel, *decision)] += number
    return found


def test_what_may_differ_between_many_epochs_and_one(
    spark: SparkSession, settings: Settings, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One clock for all epochs, so that no hour and no delay tells them apart.
    monkeypatch.setattr("pipelines.edges.stream.now", lambda: MOMENTS[-1])
    shop = open_shop(CUSTOMERS)
    records = [record for moment in shop.records for record in moment]
    sides = []
    for name, epochs in (("many", EPOCHS), ("one", 1)):
        servers.kafka.recreate_topics(load_topics())
        sides.append(outcomes(Workspace(spark, _in_a_lake(settings, name)), shop, records, epochs))
    many, one = sides
    assert set(many) == set(one)
    changed = {document["customer_id"] for _, document in records if document.get("type") in CHANGING}
    compared = {
        name
        for found in (many, one)
        for name, counted in found.items()
        if any(outcome[4] in COMPARED for outcome in counted)
    }
    differing = {name for name in many if many[name] != one[name]}
    unlisted = differing - changed - compared
    assert not unlisted, [(many[name] - one[name], one[name] - many[name]) for name in sorted(unlisted)[:3]]
    # Each of the two causes does make a difference, and most of the customers have neither.
    assert differing & changed - compared
    assert differing & compared - changed
    assert len(set(many) - changed - compared) > CUSTOMERS // 2


def _in_a_lake(settings: Settings, name: str) -> Settings:
    """The settings with the rules of the house and a lake of that name, in which the checkpoint lies too."""
    lake = settings.lake.model_copy(update={"root": f"{settings.lake.root}-{name}"})
    stream = settings.stream.model_copy(update={"checkpoint": lake.uri("checkpoints", "triggered")})
    return settings.model_copy(update={"lake": lake, "stream": stream, "decide": HOUSE})
