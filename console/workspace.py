"""The campaign folders that a command is asked about: at least one, or a line that says what was expected."""

from __future__ import annotations

from pathlib import Path


def campaign_folders(folder: Path) -> list[Path]:
    """The folder itself, or those in it. Raises `InputError` when there is none: a mistyped folder is no success."""
    from pipelines.campaigns import find_campaigns
    from pipelines.errors import InputError

    found = find_campaigns(folder)
    if not found:
        raise InputError(
            f"no campaign in '{folder}': expected a folder with campaign.yaml, or a folder of such folders."
        )
    return found
