"""The editor's schema of campaign.yaml is the model's, and the examples satisfy it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipelines.campaigns import find_campaigns
from pipelines.campaigns.schema import FILE, schema_text

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
