"""The promise to neighbours: the published version 1 does not break, and the page that explains it tells the
truth."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.generate import ROOT, record_schema
from schemas.messages import CustomerEvent, Trigger
from schemas.messages.delivery import DeliveryType
from schemas.topics import load_topics
from tests.schemas.compatibility import breaks, flatten

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
PUBLISHED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "contract-v1.json").read_text(encoding="utf-8")
)
PUBLIC = [row for row in load_topics() if row.value_schema and row.name != "send.progress"]


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: row.name)
def test_nothing_published_breaks(row: Any) -> None:
    found = breaks(PUBLISHED[row.value_schema], flatten(record_schema(row.value_schema)), row.direction)
    assert found == [], "a break is a new version: see docs/contract.md, section Versions"


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: row.name)
def test_additions_are_recorded(row: Any) -> None:
    """After an addition, put it into tests/fixtures/contract-v1.json: from then on it is promised."""
    assert PUBLISHED[row.value_schema] == flatten(record_schema(row.value_schema))


@pytest.mark.parametrize(
    ("direction", "path", "change", "expected"),
    [
        ("out", "messages[].to", None, "messages[].to: removed"),
        ("out", "unit", {"accepts": ["string"], "required": True}, "unit: may now be string"),
        ("out", "messages[].text", {"accepts": ["null", "string"], "required": True}, "may now be null"),
        ("out", "batch_id", {"accepts": ["string"], "required": False}, "no longer always there"),
        (
            "out",
            "messages[].encoding",
            {"accepts": ["=GSM-7", "=UCS-2", "=X"], "required": True},
            "may now be =X",
        ),
        ("in", "unit", {"accepts": ["string"], "required": True}, "no longer accepts integer"),
        ("in", "added", {"accepts": ["string"], "required": True}, "added: new and required"),
    ],
)
def test_a_break_is_seen(direction: str, path: str, change: dict[str, Any] | None, expected: str) -> None:
    old = PUBLISHED["sms-send-batch"]
    new = copy.deepcopy(old)
    if change is None:
        del new[path]
    else:
        new[path] = change
    assert any(expected in line for line in breaks(old, new, direction))


def test_additions_and_relaxations_are_no_breaks() -> None:
    old = PUBLISHED["trigger"]
    optional = {"accepts": ["string"], "required": False}
    assert breaks(old, {**old, "added": optional, "data": {**old["data"], "required": False}}, "in") == []
    assert breaks(old, {**old, "added": {"accepts": ["string"], "required": True}}, "out") == []


def test_the_page_names_every_topic_with_its_record() -> None:
    for row in load_topics():
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{row.name}` |"))
        assert (f"`{row.value_schema}`" in line) == (row in PUBLIC)


def test_the_page_names_every_header_and_delivery_type() -> None:
    for row in load_topics():
        for header in row.header_names:
            assert f"`{header}`" in PAGE, (row.name, header)
    for kind in get_args(DeliveryType):
        assert f"`{kind}`" in PAGE


def test_the_page_s_input_examples_are_valid() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    Trigger.model_validate_json(blocks[0])
    CustomerEvent.model_validate_json(blocks[1])
    batch = json.loads(blocks[2])
    assert set(batch) == set(record_schema("sms-send-batch")["required"])


def test_glossary_is_in_order_and_links_hold() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert words == sorted(words)
    for page in (text, PAGE):
        for target in re.findall(r"\]\(([a-z-]+\.md)\)", page):
            assert (ROOT / "docs" / target).exists()
