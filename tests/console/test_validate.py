"""`carillon validate`: what it says, and the exit code that scripts rely on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from console.validate import register
from pipelines.campaigns import load_folder
from pipelines.campaigns.survey import GMAIL_CLIPS_BYTES, survey, warnings

EXAMPLES = Path(__file__).parents[2] / "examples" / "campaigns"


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["validate", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("_shared", "order_shipped", "cart_reminder"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    return tmp_path


def test_good_campaigns(workspace: Path) -> None:
    code, output = run(str(workspace))
    assert code == 0
    assert f"order_shipped: OK, version {load_folder(workspace / 'order_shipped').digest[:12]}" in output
    assert "sms/text.de.txt.j2               100 % vectorised" in output
    assert output.endswith("2 campaigns: 2 OK, 0 refused\n")


def test_a_problem_is_told_and_the_others_are_still_checked(workspace: Path) -> None:
    (workspace / "cart_reminder" / "templates" / "push" / "title.en.txt.j2").write_text(
        "{{ customer.fist_name }}"
    )
    code, output = run(str(workspace))
    assert code == 2
    assert "cart_reminder: 1 problem\n" in output
    assert "templates/push/title.en.txt.j2: line 1: 'customer.fist_name' does not exist" in output
    assert "order_shipped: OK" in output
    assert "2 campaigns: 1 OK, 1 refused" in output


def test_a_fallback_is_shown_with_line_and_reason(workspace: Path) -> None:
    template = workspace / "order_shipped" / "templates" / "push" / "body.en.txt.j2"
    template.write_text("one\n{% for letter in event.properties.order_id %}{{ letter }}{% endfor %}")
    code, output = run(str(workspace / "order_shipped"))
    assert code == 0
    assert "row by row: push/body.en.txt.j2 line 2" in output
    share = next(
        line for line in output.splitlines() if "push/body.en.txt.j2" in line and "vectorised" in line
    )
    assert "100 %" not in share


def test_json(workspace: Path) -> None:
    (workspace / "cart_reminder" / "campaign.yaml").write_text("a: [")
    code, output = run(str(workspace), "--json")
    assert code == 2
    bad, good = json.loads(output)["campaigns"]
    assert (bad["campaign"], bad["ok"], bad["problems"][0]["file"]) == (
        "cart_reminder",
        False,
        "campaign.yaml",
    )
    assert (good["campaign"], good["ok"], good["warnings"]) == ("order_shipped", True, [])
    assert {one["vectorised_share"] for one in good["templates"]} == {1.0}


def test_a_page_that_gmail_would_clip_is_warned_about(workspace: Path) -> None:
    page = workspace / "order_shipped" / "templates" / "email" / "html.en.html.j2"
    page.write_text(page.read_text() + "{# #}" + "x" * (GMAIL_CLIPS_BYTES * 9 // 10))
    (warning,) = warnings(survey(load_folder(workspace / "order_shipped")))
    assert warning.file == "templates/email/html.en.html.j2"
    assert "Gmail clips at 102,400 bytes" in str(warning)


@pytest.mark.parametrize("folder", ["weekly_newsletter", "delivery_reminder", "win_back"])
def test_the_long_examples_are_vectorised_wholly(folder: str) -> None:
    surveys = survey(load_folder(EXAMPLES / folder))
    assert {one.name: one.coverage.share for one in surveys if one.coverage.share < 1} == {}


def test_the_page_about_clipping_is_in_the_output(workspace: Path) -> None:
    page = workspace / "order_shipped" / "templates" / "email" / "html.en.html.j2"
    page.write_text(page.read_text() + "x" * (GMAIL_CLIPS_BYTES * 9 // 10 - len(page.read_bytes())))
    code, output = run(str(workspace / "order_shipped"))
    assert code == 0
    (line,) = [line for line in output.splitlines() if "warning" in line]
    assert line.startswith("  warning: templates/email/html.en.html.j2: ")
    assert "Gmail clips at 102,400 bytes" in line
    assert json.loads(run(str(workspace), "--json")[1])["campaigns"][1]["warnings"] == [
        line.split(": ", 1)[1]
    ]


def test_the_translated_example_is_vectorised_wholly() -> None:
    campaign = load_folder(EXAMPLES / "cart_reminder")
    assert list(campaign.catalogues) == ["de"]
    translated = {name for name, text in campaign.templates.items() if "{% trans" in text}
    assert translated >= {"email/subject.en.txt.j2", "push/body.en.txt.j2"}
    surveys = {one.name: one.coverage for one in survey(campaign)}
    assert all(surveys[name].share == 1 and not surveys[name].fallbacks for name in translated)


def test_segments_and_cost_of_an_sms(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "{% if customer.email %}" + "x" * 161 + "{% else %}short{% endif %}{{ customer.first_name }}"
    (workspace / "order_shipped" / "templates" / "sms" / "text.en.txt.j2").write_text(long)
    (workspace / "order_shipped" / "templates" / "sms" / "text.de.txt.j2").write_text("Žluťoučký")
    monkeypatch.setenv("CARILLON_CHANNELS__SMS__PRICE_PER_SEGMENT", "0.0075 EUR")
    output = run(str(workspace / "order_shipped"), "--env", "local")[1]
    lines = {line.split()[0]: line for line in output.splitlines() if "segment" in line}
    assert lines["sms/text.en.txt.j2"].endswith("2 segments of GSM-7 before data, from 0.0150 EUR a message")
    assert lines["sms/text.de.txt.j2"].endswith("1 segment of UCS-2 before data, from 0.0075 EUR a message")
    assert "EUR" not in run(str(workspace / "order_shipped"))[1]
    monkeypatch.delenv("CARILLON_CHANNELS__SMS__PRICE_PER_SEGMENT")
    (one,) = json.loads(run(str(workspace / "order_shipped"), "--json", "--env", "local")[1])["campaigns"]
    held = {part["template"]: part.get("sms") for part in one["templates"]}
    assert held["sms/text.en.txt.j2"] == {"segments": 2, "encoding": "GSM-7", "cost": None}
    assert held["push/title.en.txt.j2"] is None
