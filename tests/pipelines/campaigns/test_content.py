"""Reference tables: read from three formats into the same values, pinned by the digest, mistakes told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.campaigns import Campaign, CampaignError, bundle, load_folder
from pipelines.campaigns.content import CONTENT_BYTES_MAX, tables

if TYPE_CHECKING:
    from tests.pipelines.campaigns.conftest import WriteCampaign

SMS = "templates/sms/text.en.txt.j2"


def values(campaign: Campaign) -> object:
    return tables(campaign.content)


def problems(folder: Path) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        load_folder(folder)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "prices.json",
            '{"tea": {"sku": "tea", "price": 12.0, "old": null},\n'
            ' "1": {"sku": "1", "price": 9.5, "old": 7}}',
        ),
        ("prices.yaml", 'tea: {sku: tea, price: 12.0, old: }\n"1": {sku: "1", price: 9.5, old: 7}\n'),
        ("prices.csv", "sku,price,old\r\ntea,12,\r\n1,9.5,7\r\n"),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_table(write_campaign: WriteCampaign, name: str, text: str) -> None:
    campaign = load_folder(write_campaign({f"content/{name}": text}))
    held = {
        "prices": {
            "tea": {"sku": "tea", "price": 12.0, "old": None},
            "1": {"sku": "1", "price": 9.5, "old": 7},
        }
    }
    assert values(campaign) == held
    assert json.dumps(values(campaign)) == json.dumps(held)


def test_tables_are_pinned_by_the_digest_and_keep_their_order(write_campaign: WriteCampaign) -> None:
    first = load_folder(write_campaign({"content/a.json": '{"z": 1, "b": 2}'}))
    back = Campaign.from_bundle(bundle(first).payload)
    assert back == first
    assert json.dumps(values(back)) == '{"a": {"z": 1, "b": 2}}'
    assert load_folder(write_campaign({"content/a.json": '{"z": 1,\n"b": 2}\n'})).digest == first.digest
    assert load_folder(write_campaign({"content/a.json": '{"b": 2, "z": 1}'})).digest != first.digest
    assert load_folder(write_campaign({"content/a.json": '{"z": 1, "b": 3}'})).digest != first.digest


def test_csv_columns_are_numbers_only_when_every_cell_is(write_campaign: WriteCampaign) -> None:
    text = "key,zip,code,share\n007,01234,A1,1\n008,99999,2,2.5\n"
    assert values(load_folder(write_campaign({"content/t.csv": text}))) == {
        "t": {
            "007": {"key": "007", "zip": "01234", "code": "A1", "share": 1.0},
            "008": {"key": "008", "zip": "99999", "code": "2", "share": 2.5},
        }
    }


def test_yaml_dates_are_text(write_campaign: WriteCampaign) -> None:
    campaign = load_folder(write_campaign({"content/t.yaml": "until: 2026-03-01\nopen: yes\n"}))
    assert values(campaign) == {"t": {"until": "2026-03-01", "open": True}}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", '{\n"x": }', "content/a.json: line 2, column 6: not JSON: Expecting value"),
        ("a.json", '{"x": 1, "x": 2}', "the key 'x' is written twice in one object"),
        ("a.json", '{"x": NaN}', "NaN is not JSON"),
        ("a.json", '{"x": 1e999}', "a.x: a number that is not finite"),
        ("a.json", '{"x": ["\\ud800"]}', "a.x[0]: half of a surrogate pair"),
        ("a.json", "[" * 40 + "]" * 40, "more than 16 levels"),
        ("a.json", "[" * 40_000, "more than 16 levels"),
        ("a.json", "1" * 5_000, "not JSON"),
        ("a.json", b"\n\xff", "content/a.json: line 2: not UTF-8"),
        ("a.yaml", "x: 1\nx: 2", "content/a.yaml: line 2, column 1: not valid YAML: the key 'x' is written twice"),
        ("a.yaml", "x: [1", "line 1, column 6: not valid YAML"),
        ("a.yaml", "x:\n  no: 1", "line 2, column 3: not valid YAML: a key that is no text; put it in quotes"),
        ("a.yaml", "x: &a [1]\ny: *a", "line 2, column 4: not valid YAML: aliases are not allowed"),
        ("a.yaml", "x: !!binary aGk=", "a.x: a bytes"),
        ("a.yaml", "x: !!python/name:os.system", "line 1, column 4: not valid YAML"),
        ("a.yaml", "x: .inf", "a.x: a number that is not finite"),
        ("a.csv", "", "content/a.csv: empty"),
        ("a.csv", "k,v\na,1,2\n", "content/a.csv: line 2: 3 cells under 2 column names"),
        ("a.csv", "k,v\na,1\n\na,2\n", "line 4: 'a' is in the first column twice (line 2 before)"),
        ("a.csv", "k,k\n", "line 1: two columns are named 'k'"),
        ("a.csv", "k,\n", "line 1: column 2 has no name"),
        ("a.csv", "k,v\n,1\n", "line 2: no value in the first column, 'k'"),
        ("a.csv", 'k,v\na,"1', "not CSV"),
        ("a.xml", "<a/>", "content/a.xml: an unknown kind of file. allowed: *.json, *.yaml, *.csv"),
        ("price-list.json", "1", "content/price-list.json: 'price-list' is no name"),
        ("deep/a.json", "1", "'deep/a' is no name"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(
    write_campaign: WriteCampaign, name: str, text: str | bytes, told: str
) -> None:
    (problem,) = problems(write_campaign({f"content/{name}": text}))
    assert told in problem


def test_two_files_for_one_table(write_campaign: WriteCampaign) -> None:
    (problem,) = problems(write_campaign({"content/a.json": "1", "content/a.yaml": "1"}))
    assert problem == "content/a.yaml: a second table 'a'. Remove one."


def test_tables_have_a_size_limit(write_campaign: WriteCampaign) -> None:
    half = json.dumps("x" * (CONTENT_BYTES_MAX // 2))
    (problem,) = problems(write_campaign({"content/a.json": half, "content/b.json": half}))
    assert problem.startswith("content/: 1,000,004 bytes in all tables. allowed: at most 1,000,000")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ content.price.tea }}", "line 1: 'content.price' does not exist. Did you mean 'prices'?"),
        ("{{ content.prices.tee.price }}{{ content.prices.tee }}", "'content.prices.tee' does not exist"),
        ("\n{{ content.prices['tea'].prise }}", "line 2: 'content.prices.tea.prise' does not exist"),
    ],
)
def test_unknown_names_are_found(write_campaign: WriteCampaign, template: str, told: str) -> None:
    (problem,) = problems(write_campaign({"content/prices.json": '{"tea": {"price": 1}}', SMS: template}))
    assert told in problem


def test_names_are_found_where_there_is_no_table(write_campaign: WriteCampaign) -> None:
    assert (
        "'content.prices' does not exist. there is none"
        in problems(write_campaign({SMS: "{{ content.prices }}"}))[0]
    )


def test_shared_tables_join_the_campaign_that_names_them(
    write_campaign: WriteCampaign, tmp_path: Path
) -> None:
    shared = tmp_path / "_shared" / "content"
    shared.mkdir(parents=True)
    (shared / "prices.json").write_text('{"tea": 1}')
    (shared / "other.json").write_text("2")
    assert values(load_folder(write_campaign())) == {}
    assert values(load_folder(write_campaign({SMS: "{{ content.prices.tea }}"}))) == {"prices": {"tea": 1}}
    assert values(load_folder(write_campaign({SMS: "{{ content['other'] }}"}))) == {"other": 2}
    every = {SMS: "{% set all = content %}{{ all.other }}"}
    assert values(load_folder(write_campaign(every))) == {"other": 2, "prices": {"tea": 1}}
    own = {SMS: "{{ content.other }}", "content/other.csv": "k,v\na,1\n"}
    assert values(load_folder(write_campaign(own))) == {"other": {"a": {"k": "a", "v": 1}}}
