"""The page about campaigns: every key is on it, and its example is a good one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pydantic import BaseModel

from conf.house import Decide, HouseCap
from pipelines.campaigns import CampaignSpec
from pipelines.campaigns.model import AudienceRule
from pipelines.campaigns.predicates import CLOCK, predicate_faults
from schemas.tables import table

PAGE = (Path(__file__).parents[3] / "docs" / "campaigns.md").read_text(encoding="utf-8")


def keys(model: type[BaseModel]) -> set[str]:
    """The keys of a model and of the models in it."""
    found = set()
    schema = model.model_json_schema()
    for part in [schema, *schema.get("$defs", {}).values()]:
        found |= set(part.get("properties", {}))
    return found


def test_every_key_is_on_the_page() -> None:
    words = set(re.findall(r"[a-z_]+", PAGE))
    assert keys(CampaignSpec) | keys(Decide) | keys(HouseCap) <= words


def test_the_examples_are_good() -> None:
    campaign, *audiences = (
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    )
    assert CampaignSpec.model_validate(campaign).trigger is not None
    rules = [AudienceRule.model_validate(one["audience"]).where for one in audiences]
    said = PAGE.partition("| To say | Write |")[2].partition("\n\n")[0]
    rules += re.findall(r"`([^`]+)`", said)
    assert len(rules) > 10
    columns = {column.name: column.type for column in table("audience").columns} | {CLOCK: "timestamp"}
    assert [(rule, list(predicate_faults(rule, columns))) for rule in rules] == [(rule, []) for rule in rules]
