"""Loading a folder: a good one becomes a campaign, and each mistake is told with file, key and remedy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from pipelines.campaigns import CampaignError, find_campaigns, load_folder

if TYPE_CHECKING:
    from tests.pipelines.campaigns.conftest import WriteCampaign


def problems(folder: Path) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        load_folder(folder)
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems
    return [str(problem) for problem in caught.value.problems]


def test_a_good_folder_loads(write_campaign: WriteCampaign) -> None:
    campaign = load_folder(write_campaign())
    assert campaign.campaign_id == "welcome"
    assert campaign.status == "active"
    assert campaign.trigger is not None
    assert campaign.trigger.event == "account.opened"
    assert campaign.data_arrow_schema() == pa.struct([("plan", pa.string()), ("seats", pa.int64())])
    assert campaign.data_ddl() == "`plan` STRING, `seats` BIGINT"
    assert sorted(campaign.templates)[0] == "email/html.en.html.j2"
    assert campaign.locales("email") == ("en",)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"topic": "topic: marketting"}, ["campaign.yaml: topic: 'marketting'", "Did you mean 'marketing'?"]),
        ({"chanels": "chanels: [push]"}, ["unknown key 'chanels'", "Did you mean 'channels'?"]),
        ({"channels": "channels: [email, fax]"}, ["channels[1]: 'fax'", "email, sms, push"]),
        ({"channels": "channels: [sms, email, sms]"}, ["channels: a channel is named twice"]),
        ({"channels": "channels: []"}, ["channels"]),
        ({"name": ""}, ["name: missing", "Add 'name: …'"]),
        ({"name": "name: 2026-01-01"}, ["name: 2026-01-01 (date)", "quotes"]),
        ({"default_locale": "default_locale: no"}, ["default_locale: False (bool)", "quotes"]),
        ({"campaign_id": "campaign_id: hello"}, ["campaign_id: 'hello'", "'welcome'", "Rename the folder"]),
        ({"campaign_id": "campaign_id: Wel Come"}, ["campaign_id: 'Wel Come'"]),
        ({"data": "data: {plan: sting}"}, ["data.plan: unknown type 'sting'", "Did you mean 'string'?"]),
        ({"data": "data: {plan: binary}"}, ["data.plan: 'binary'", "JSON has no binary"]),
        ({"data": "data: {plan: string, Plan: string}"}, ["'Plan' is declared twice"]),
        ({"data": "data: {plan: string, plan: long}"}, ["line 8, column 22", "'plan' is written twice"]),
        ({"trigger": "trigger: {event: a.b, when: 'plan = 1; drop'}"}, ["trigger.when", "';'"]),
        ({"trigger": "trigger: {event: a.b, when: ' '}"}, ["trigger.when", "empty"]),
        ({"trigger": "trigger: {explicit: true, event: a.b}"}, ["trigger: name exactly one source"]),
        ({"trigger": "trigger: {explicit: true, whan: x}"}, ["trigger.whan", "Did you mean 'when'?"]),
        ({"trigger": ""}, ["a triggered campaign needs 'trigger'"]),
        ({"kind": "kind: scheduled"}, ["a scheduled campaign needs 'audience'"]),
        ({"sms": "sms: {max_segments: 0}"}, ["sms.max_segments: 0", "greater than or equal to 1"]),
        ({"variants": "variants: {email: 1}"}, ["'email' is a folder of templates"]),
        ({"x": "x: ["}, ["campaign.yaml: line", "not valid YAML"]),
        ({"name": "name: {{ brand }}"}, ["campaign.yaml: line 8, column 8", "Quote texts with {{ }}"]),
        ({"name": "name: {{ brand }} hello"}, ["campaign.yaml: line 8", "not valid YAML", "'{{'"]),
        ({"name": "name: {[1]: 2}"}, ["campaign.yaml: line 8, column 8", "a key that is no plain text"]),
        ({"name": "name: 2026-02-30"}, ["campaign.yaml: line 8, column 7", "no such date or time", "Quote"]),
        ({"name": "name: !!int many"}, ["campaign.yaml: line 8, column 7", "no such int"]),
        ({"name": "name: " + "[" * 2_000}, ["campaign.yaml: ", "nested too deeply"]),
    ],
)
def test_a_wrong_key_is_told(
    write_campaign: WriteCampaign, spec: dict[str, str], expected: list[str]
) -> None:
    told = "\n".join(problems(write_campaign(**spec)))
    for words in expected:
        assert words in told


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"templates/email/text.en.txt.j2": None}, ["templates/email/text.en.txt.j2: missing", "plain-text"]),
        ({"templates/sms/text.en.txt.j2": None}, ["templates/sms/text.en.txt.j2: missing"]),
        (
            {"templates/email/subject.de.txt.j2": "Hallo"},
            ["email/html.de.html.j2: missing", "email/text.de.txt.j2: missing", "fall back as a whole"],
        ),
        ({"templates/email/subjct.en.txt.j2": "x"}, ["unknown part 'subjct'", "Did you mean 'subject'?"]),
        ({"templates/emial/subject.en.txt.j2": "x"}, ["unknown channel 'emial'", "Did you mean 'email'?"]),
        ({"templates/push/title.en.txt.j2": "x"}, ["unknown channel 'push'", "Add 'push' to 'channels'"]),
        ({"templates/bold/sms/text.en.txt.j2": "x"}, ["unknown variant 'bold'"]),
        ({"templates/sms/text.de_AT.txt.j2": "x"}, ["'de_AT' is no locale", "Write 'de-AT'"]),
        ({"templates/sms/text.en.html.j2": "x"}, ["'.html.j2'", "Rename it to end in '.txt.j2'"]),
        ({"templates/stray.j2": "x"}, ["templates/stray.j2: a path that feeds no message part", "shared/"]),
        ({"templates/email/logo.png": b"\x89"}, ["an unknown kind of file"]),
        ({"template/x.j2": "x"}, ["template/: an unknown folder", "Did you mean 'templates'?"]),
        ({"campain.yaml": "x"}, ["campain.yaml: an unknown file", "Did you mean 'campaign.yaml'?"]),
        ({"templates/sms/text.en.txt.j2": b"a\n\xff"}, ["text.en.txt.j2: line 2: not UTF-8"]),
        ({"templates/sms/text.en.txt.j2": b"x" * 1_000_001}, ["1,000,001 bytes", "at most 1,000,000"]),
        ({"templates/sms/text.en.txt.j2": "a\n{{ customer. }}"}, ["templates/sms/text.en.txt.j2: line 2"]),
        (
            {"templates/sms/text.en.txt.j2": "{{ customer.country|uper }}"},
            ["line 1: unknown filter 'uper'", "'upper'"],
        ),
        (
            {"templates/sms/text.en.txt.j2": "{% include 'shared/nope.j2' %}"},
            ["no such template 'shared/nope.j2'"],
        ),
        (
            {"templates/sms/text.en.txt.j2": "{{ customer.fist_name }}"},
            ["'customer.fist_name' does not exist", "'first_name'"],
        ),
        (
            {"templates/sms/text.en.txt.j2": "{{ event.properties.seat }}"},
            ["'event.properties.seat'", "'seats'"],
        ),
        ({"locales/german.po": "x"}, ["locales/german.po: 'german' is no locale"]),
        ({"locales/de.po": ""}, ["no template is translated"]),
        ({"campaign.yaml": None}, ["campaign.yaml: not found in welcome/"]),
    ],
)
def test_a_wrong_file_is_told(
    write_campaign: WriteCampaign, files: dict[str, str | bytes | None], expected: list[str]
) -> None:
    told = "\n".join(problems(write_campaign(files)))
    for words in expected:
        assert words in told


def test_all_problems_are_told_at_once(write_campaign: WriteCampaign) -> None:
    told = problems(write_campaign({"templates/sms/text.en.txt.j2": None}, topic="topic: x", kind="kind: y"))
    assert len([line for line in told if line.startswith("campaign.yaml")]) == 2


def test_a_mistake_in_a_shared_template_is_told_once(write_campaign: WriteCampaign) -> None:
    include = "{% include 'shared/foot.j2' %}"
    files = {
        f"templates/email/{part}.j2": include for part in ("subject.en.txt", "text.en.txt", "html.en.html")
    }
    told = problems(write_campaign({**files, "templates/shared/foot.j2": "{{ x|uper }}"}))
    assert told == ["templates/shared/foot.j2: line 1: unknown filter 'uper'. Did you mean 'upper'?"]


def test_workspace_templates_join_the_campaign_that_reaches_them(
    write_campaign: WriteCampaign, tmp_path: Path
) -> None:
    shared = tmp_path / "_shared"
    shared.mkdir()
    (shared / "outer.j2").write_text("{% include 'shared/inner.j2' %}")
    (shared / "inner.j2").write_text("workspace")
    (shared / "unused.j2").write_text("nobody")
    text = {"templates/sms/text.en.txt.j2": "{% include 'shared/outer.j2' %}"}
    campaign = load_folder(write_campaign(text))
    assert campaign.templates["shared/inner.j2"] == "workspace"
    assert "shared/unused.j2" not in campaign.templates
    own = load_folder(write_campaign({**text, "templates/shared/inner.j2": "campaign"}))
    assert own.templates["shared/inner.j2"] == "campaign"
    assert own.digest != campaign.digest


def test_content_blocks_are_carried_along(write_campaign: WriteCampaign, tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "legal.html.j2").write_text("small print")
    campaign = load_folder(
        write_campaign({"templates/email/html.en.html.j2": '{{ content_block("legal") }}'})
    )
    assert campaign.templates["shared/legal.html.j2"] == "small print"


def test_line_ends_and_byte_order_marks_are_not_content(write_campaign: WriteCampaign) -> None:
    plain = load_folder(write_campaign({"templates/sms/text.en.txt.j2": "one\ntwo"}))
    windows = load_folder(write_campaign({"templates/sms/text.en.txt.j2": b"\xef\xbb\xbfone\r\ntwo"}))
    assert windows.digest == plain.digest


def test_find_campaigns(write_campaign: WriteCampaign, tmp_path: Path) -> None:
    folder = write_campaign()
    for name in ("_shared", ".git"):
        (tmp_path / name).mkdir()
    assert find_campaigns(tmp_path) == [folder]
    assert find_campaigns(folder) == [folder]
    assert find_campaigns(tmp_path / "nowhere") == []


def test_a_catalogue_makes_its_locale_available(write_campaign: WriteCampaign) -> None:
    po = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Hello"\nmsgstr "Hallo"\n'
    )
    text = {"templates/sms/text.en.txt.j2": "{% trans %}Hello{% endtrans %}", "locales/de.po": po}
    campaign = load_folder(write_campaign(text))
    assert campaign.catalogues == {"de": po}
    assert campaign.locales("sms") == ("de", "en")
