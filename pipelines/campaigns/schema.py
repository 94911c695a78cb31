"""The JSON Schema of `campaign.yaml`, for editors: `python -m pipelines.campaigns.schema` writes it.

A test fails when the committed file is not what the model gives. Only shapes are in it; `carillon validate`
knows more.
"""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.campaigns.model import CampaignSpec

FILE = Path(__file__).with_name("campaign.schema.json")


def schema_text() -> str:
    """The file's content."""
    schema = CampaignSpec.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "campaign.yaml"}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
