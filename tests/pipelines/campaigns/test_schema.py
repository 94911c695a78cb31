"""The editor's schema of campaign.yaml is the model's, and the examples satisfy it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipelines.campaigns import find_campaigns
from pipelines.campaigns.keys import Span, TimeOfDay
from pipelines.campaigns.limits import Period
from pipelines.campaigns.schema import FILE, schema_text
from pipelines.campaigns.timing import Delay
from pipelines.campaigns.trigger import Reentry

EXAMPLES = Path(__file__).parents[3] / "examples" / "campaigns"


def test_the_committed_schema_is_current() -> None:
    hint = "stale; run: python -m pipelines.campaigns.schema"
    assert FILE.read_text(encoding="utf-8") == schema_text(), hint


@pytest.mark.parametrize("folder", find_campaigns(EXAMPLES), ids=lambda folder: folder.name)
def test_examples_satisfy_the_schema(folder: Path) -> None:
    schema = json.loads(schema_text())
    jsonschema.validate(yaml.safe_load((folder / "campaign.yaml").read_text(encoding="utf-8")), schema)


def test_the_schema_refuses_an_unknown_key() -> None:
    spec = yaml.safe_load((EXAMPLES / "order_shipped" / "campaign.yaml").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "chanels": []}, json.loads(schema_text()))


SPANS = ("90 minutes", "1 minute", "1 minutes", "2 day", "366 days", "1 week", " 7 days\n", "999999 seconds")
NO_SPANS = (
    "",
    "2 moons",
    "0 days",
    "01 days",
    "2  days",
    "2days",
    "-1 days",
    "1.5 hours",
    "2 days ago",
    "Day",
)
TIMES = ("00:00", "08:30", "19:59", "23:59")
NO_TIMES = ("99:99", "24:00", "8:30", "08:60", "08:30:00", " 08:30", "noon", "")
DELAYS = (
    *SPANS,
    *(f"until {time} local" for time in TIMES),
    *(f"next {day} 10:00 local" for day in ("monday", "tuesday", "wednesday", "thursday")),
    *(f" next {day} 10:00 local " for day in ("friday", "saturday", "sunday")),
)
NO_DELAYS = (
    *NO_SPANS,
    *(f"until {time} local" for time in NO_TIMES),
    "until 09:00",
    "until  09:00 local",
    "next tue 10:00 local",
    "next Tuesday 10:00 local",
    "tuesday 10:00 local",
    "day",
)
#: Type or model's key, what its parser accepts, what it refuses.
TEXTS: tuple[tuple[str, Any, tuple[str, ...], tuple[str, ...]], ...] = (
    ("span", TypeAdapter(Span), SPANS, NO_SPANS),
    ("time", TypeAdapter(TimeOfDay), TIMES, NO_TIMES),
    (
        "period",
        TypeAdapter(Period),
        (*SPANS, "day", "week", "month"),
        (*NO_SPANS, "year", "days", " day", "weekly"),
    ),
    ("delay", TypeAdapter(Delay), DELAYS, NO_DELAYS),
)


@pytest.mark.parametrize(
    ("adapter", "good", "bad"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS]
)
def test_an_editor_marks_what_the_parser_refuses(
    adapter: TypeAdapter[str], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    schema = adapter.json_schema()
    pattern = re.compile(schema["pattern"])
    for text in (*good, *schema["examples"]):
        adapter.validate_python(text)
        assert pattern.search(text), text
    for text in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(text)
        assert not pattern.search(text), text


def test_an_editor_marks_a_reentry_that_is_neither_time_nor_property() -> None:
    mapping = Reentry.model_json_schema()["anyOf"][1]["properties"]["once_per"]
    pattern = re.compile(mapping["pattern"])
    for text in (*SPANS, *mapping["examples"], "plan", "_x1"):
        Reentry.model_validate({"once_per": text})
        assert pattern.search(text), text
    for text in ("7 dayz", "1plan", "plan id", ""):
        with pytest.raises(ValidationError):
            Reentry.model_validate({"once_per": text})
        assert not pattern.search(text), text


@pytest.mark.parametrize(
    "changes",
    [
        {"quiet_hours": {"from": "99:99", "to": "08:00"}},
        {"send_window": {"from": "09:00", "to": "9:00"}},
        {"frequency_caps": [{"at_most": 1, "per": "fortnight"}]},
        {"trigger": {"event": "cart.abandoned", "delay": "2 moons"}},
        {"trigger": {"event": "cart.abandoned", "expires_after": "soon"}},
    ],
)
def test_the_schema_refuses_a_text_that_no_parser_reads(changes: dict[str, Any]) -> None:
    spec = yaml.safe_load((EXAMPLES / "cart_reminder" / "campaign.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(spec, json.loads(schema_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spec | changes, json.loads(schema_text()))
