"""Fuses that blow on real servers: of a campaign in the stream, and of a run (faults.md row 11)."""

from __future__ import annotations

import threading
import time

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.campaigns import Campaign
from pipelines.edges.control import RunControl
from pipelines.edges.pauses import CampaignPauses
from pipelines.edges.scheduled import run_campaign
from tests.builders import make_campaign, scheduled_campaign, trigger
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    return Workspace(spark, settings)


def fused(text: str, **keys: object) -> Campaign:
    return make_campaign(
        {"sms/text.en.txt.j2": text}, channels=["sms"], fuse={"percent": 50, "messages": 4}, **keys
    )


def test_a_campaign_in_the_stream(workspace: Workspace) -> None:
    """One failure stops nobody else; too many pause this campaign alone, until it is published with other content."""
    workspace.promote(people("c-1"))
    workspace.publish(fused("{{ nothing.at_all if trigger.data.plan == 'x' else trigger.data.plan }}"))
    workspace.publish(make_campaign(campaign_id="other", channels=["sms"]))
    for name in ("x", "x", "y", "y"):
        workspace.send(TRIGGERS, trigger(f"t-{name}-{time.monotonic_ns()}", data={"plan": name}))
    (result,) = workspace.run()
    assert result["campaigns"]["welcome"]["sms"]["published"] == 2
    assert "fuses" not in result
    for number in range(3):
        workspace.send(TRIGGERS, trigger(f"t-{number}", data={"plan": "x"}))
    (result,) = workspace.run()
    assert result["campaigns"]["welcome"]["sms"]["failed"] == {"render_undefined": 3}
    # Another driver, which has counted three only.
    assert "fuses" not in result
    for number in range(3, 8):
        workspace.send(TRIGGERS, trigger(f"t-{number}", data={"plan": "x"}))
    (result,) = workspace.run()
    assert "5 of the last 5 messages failed (render_undefined 5)" in result["fuses"]["welcome"]
    workspace.send(TRIGGERS, trigger("t-8", data={"plan": "y"}), trigger("t-9", campaign_id="other"))
    (result,) = workspace.run()
    assert result["campaigns"]["welcome"]["sms"]["excluded"] == {"campaign_paused": 1}
    assert result["campaigns"]["other"]["sms"]["published"] == 1
    workspace.publish(fused("{{ trigger.data.plan }}"))
    workspace.send(TRIGGERS, trigger("t-10", data={"plan": "x"}))
    (result,) = workspace.run()
    assert result["campaigns"]["welcome"]["sms"]["published"] == 1
    workspace.check()


def test_an_operators_pause_outlasts_the_fuses(workspace: Workspace) -> None:
    pauses = CampaignPauses(workspace.objects)
    assert pauses.of({"welcome": "a"}) == []
    pauses.pause("welcome", "a fuse", "a")
    assert (pauses.of({"welcome": "a", "other": "a"}), pauses.of({"welcome": "b"})) == (["welcome"], [])
    pauses.pause("welcome", "another fuse", "b")
    assert (pauses.of({"welcome": "a"}), pauses.of({"welcome": "b"})) == ([], ["welcome"])
    pauses.pause("welcome", "by an operator")
    pauses.pause("welcome", "a fuse", "b")
    assert pauses.all()["welcome"].why == "by an operator"
    assert pauses.of({"welcome": "c"}) == ["welcome"]
    pauses.resume("welcome")
    assert pauses.all() == {}


def test_a_run_waits_for_somebody_who_looks_and_goes_on_when_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.edges.heartbeat.BEAT_EVERY_S", 0.2)
    publish = workspace.settings.publish.model_copy(update={"messages_per_transaction": 2})
    settings = workspace.settings.model_copy(update={"publish": publish})
    workspace.promote(people(*[f"c-{number}" for number in range(400)]))
    text = "{{ nothing.at_all if customer.customer_id[-1:] in '012345' else 'hello' }}"
    letter = scheduled_campaign(
        campaign_id="letter",
        channels=["sms"],
        templates={"sms/text.en.txt.j2": text},
        fuse={"percent": 50, "messages": 10},
    )
    workspace.publish(letter)
    control = RunControl(workspace.objects, f"run-letter-{workspace.run_id}")
    lines: list[str] = []
    results: list[dict[str, object]] = []

    def go() -> None:
        results.append(run_campaign(workspace.spark, settings, "letter", workspace.run_id, lines.append))

    running = threading.Thread(target=go, daemon=True)
    running.start()
    try:
        deadline = time.monotonic() + 120
        while not any("its fuse has blown" in line for line in lines):
            assert time.monotonic() < deadline, lines
            time.sleep(0.1)
        time.sleep(2.0)
        held = workspace.messages()
        assert 0 < held.total() < 160
        control.resume()
        running.join(120)
    finally:
        control.cancel()
    (result,) = results
    assert result["state"] == "finished"
    counts = result["campaigns"]["letter"]["sms"]  # type: ignore[index]
    assert (counts["published"], counts["failed"]) == (160, {"render_undefined": 240})
    workspace.check()
