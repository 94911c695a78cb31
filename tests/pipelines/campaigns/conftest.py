"""A small campaign workspace on disk that a test changes in one place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

SPEC = """\
campaign_id: welcome
name: Welcome
topic: marketing
kind: triggered
trigger: {event: account.opened, when: "plan IS NOT NULL"}
data: {plan: string, seats: long}
channels: [email, sms]
default_locale: en
"""
FILES: Mapping[str, str] = {
    "campaign.yaml": SPEC,
    "templates/email/subject.en.txt.j2": "Welcome, {{ customer.first_name }}",
    "templates/email/html.en.html.j2": "<p>{{ event.properties.plan }}</p>",
    "templates/email/text.en.txt.j2": "{{ event.properties.plan }}",
    "templates/sms/text.en.txt.j2": "Welcome to {{ event.properties.plan }}",
}


class WriteCampaign(Protocol):
    """Writes the campaign with changed, added or (None) removed files, and gives its folder."""

    def __call__(self, changes: Mapping[str, str | bytes | None] | None = None, /, **spec: str) -> Path: ...


@pytest.fixture
def write_campaign(tmp_path: Path) -> WriteCampaign:
    def write(changes: Mapping[str, str | bytes | None] | None = None, /, **spec: str) -> Path:
        folder = tmp_path / "welcome"
        files: dict[str, str | bytes | None] = {**FILES, **(changes or {})}
        for key, line in spec.items():
            text = files["campaign.yaml"]
            assert isinstance(text, str)
            kept = [old for old in text.splitlines() if not old.startswith(f"{key}:")]
            files["campaign.yaml"] = "\n".join([*kept, *([line] if line else [])])
        for name, content in files.items():
            if content is None:
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write
