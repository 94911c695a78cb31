"""The commands that ask and change the lake without Spark: explain, why-not, suppress, erase; on a real epoch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from conf import Settings
from console.main import make_app
from pipelines.edges.audience import AudiencePointer
from pipelines.suppression import pseudonym
from tests.builders import audience_row, consent, make_campaign, trigger
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(
    spark: SparkSession, settings: Settings, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """Four customers, of whom c-2 has refused reminders, and a campaign that answers triggers by SMS."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = Workspace(spark, settings)
    refusing = audience_row("c-2", consents=[consent("sms", "reminders", False)])
    made.promote([*people("c-1", "c-3", "c-4"), refusing])
    made.publish(make_campaign(channels=["sms"]))
    return made


def carillon(*arguments: str) -> str:
    result = CliRunner().invoke(make_app(), list(arguments))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_the_ledger_is_told_and_changed_without_spark(workspace: Workspace, tmp_path: Path) -> None:
    asked = ["explain", "--customer", "c-2"]
    assert "was never considered" in carillon(*asked)
    workspace.send(
        TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"), trigger("t-3", customer_id="c-3")
    )
    workspace.run()

    story = carillon(*asked)
    assert "welcome, sms: excluded: no_consent The customer has not consented" in story
    assert "(trigger t-2)" in story
    (told,) = json.loads(carillon(*asked, "--json"))["decisions"]
    assert (told["decision"], told["reason"], told["source_id"]) == ("excluded", "no_consent", "t-2")
    assert {gate["gate"]: gate["passed"] for gate in told["gates"]}["consent_given"] is False
    assert carillon("explain", "--customer", "c-1").endswith("welcome, sms: sent (trigger t-1)\n")
    assert json.loads(carillon(*asked, "--campaign", "other", "--json"))["decisions"] == []
    assert "never considered" in carillon("explain", "--customer", "c-1' OR '1'='1")

    expected = [("sent", None, 2), ("excluded", "no_consent", 1)]
    for arguments in (("--campaign", "welcome"), ("--run", "triggered")):
        lines = json.loads(carillon("why-not", *arguments, "--json"))["lines"]
        assert [(line["decision"], line["reason"], line["count"]) for line in lines] == expected
    assert "no_consent. The customer has not consented" in carillon("why-not", "--campaign", "welcome")
    assert "Nothing was decided for welcome/7" in carillon("why-not", "--run", "welcome/7")

    listed = tmp_path / "list.jsonl"
    listed.write_text('{"kind": "customer", "value": "c-3", "channel": "sms"}\n\n', encoding="utf-8")
    assert carillon("suppress", str(listed), "--domain", "example.com") == "2 suppressed\n"
    said = json.loads(carillon("erase", "--customer", "c-1", "--json"))
    assert (said["customers"], said["rows"]["audience"], said["rows"]["ledger"]) == (1, 1, 1)
    assert AudiencePointer(workspace.objects).read().rows == 3
    workspace.send(
        TRIGGERS, trigger("t-4"), trigger("t-5", customer_id="c-3"), trigger("t-6", customer_id="c-4")
    )
    workspace.run()
    assert "This customer was erased" in carillon("explain", "--customer", "c-1")
    rows = {row.source_id: row for row in workspace.ledger().collect()}
    assert "t-1" not in rows
    (erased,) = [row for row in rows.values() if row.customer_id == pseudonym("c-1")]
    assert (erased.decision, erased.data, erased.gates) == ("sent", None, None)
    assert (rows["t-4"].decision, rows["t-5"].reason, rows["t-6"].decision) == (
        "excluded",
        "suppressed",
        "sent",
    )
    assert workspace.rows("suppressions").count() == 3
    carillon("suppress", str(listed), "--lift")
    workspace.send(TRIGGERS, trigger("t-7", customer_id="c-3"))
    workspace.run()
    assert workspace.ledger().where("source_id = 't-7'").first().decision == "sent"  # type: ignore[union-attr]
    again = json.loads(carillon("erase", "--pending", "--json"))
    assert again["customers"] == 1
