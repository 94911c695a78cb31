"""Which template feeds which part of a message: paths, required parts, the choice for locale and variant.

A path is `[<variant>/]<channel>/<part>.<locale>.<txt|html>.j2` below `templates/`. A part is looked up for
the variant before the campaign. A part missing in a locale comes from the default locale when the part is
optional, or when the locale has a catalogue (the template then speaks through `{% trans %}`). Compiles and
renders nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.channels import ContentPart, channel

#: Templates of a campaign for include, import and extends; the workspace's own join them under the same name.
SHARED_FOLDER = "shared"
WORKSPACE_SHARED_FOLDER = "_shared"

_PATH = re.compile(
    r"(?:(?P<variant>[^/]+)/)?(?P<channel>[^/]+)/(?P<part>[^/.]+)\.(?P<locale>[^/.]+)\.(?P<ext>[^/.]+)\.j2"
)


class CampaignFiles(Protocol):
    """What choosing a template needs to know of a campaign."""

    @property
    def templates(self) -> Mapping[str, str]: ...
    @property
    def catalogues(self) -> Mapping[str, str]: ...
    @property
    def default_locale(self) -> str: ...


@dataclass(frozen=True)
class PartPath:
    """The meaning of one template path."""

    variant: str | None
    channel: str
    part: str
    locale: str
    ext: str


def parse_part_path(path: str) -> PartPath | None:
    """What a template path means, or None when it has another form."""
    match = _PATH.fullmatch(path)
    return PartPath(**match.groupdict()) if match else None


def part_path(channel_name: str, part: str, locale: str, variant: str | None = None) -> str:
    """The path of a part's template."""
    folder = f"{variant}/{channel_name}" if variant else channel_name
    return f"{folder}/{content_part(channel_name, part).file_name(locale)}"


def content_part(channel_name: str, part: str) -> ContentPart:
    """The row of `schemas.channels` for a part; a KeyError when the channel has no such part."""
    for row in channel(channel_name).content_parts:
        if row.name == part:
            return row
    raise KeyError(part)


def find_part(
    campaign: CampaignFiles, channel_name: str, part: str, locale: str, variant: str | None
) -> str | None:
    """The template path that renders a part for a resolved locale and variant; None when there is none."""
    locales = [locale]
    if not content_part(channel_name, part).is_required or locale in campaign.catalogues:
        locales.append(campaign.default_locale)
    for candidate in locales:
        for owner in (variant, None) if variant else (None,):
            path = part_path(channel_name, part, candidate, owner)
            if path in campaign.templates:
                return path
    return None


def available_locales(campaign: CampaignFiles, channel_name: str, variant: str | None) -> tuple[str, ...]:
    """The locales in which every required part of the channel can be rendered for the variant."""
    named = {parsed.locale for parsed in map(parse_part_path, campaign.templates) if parsed}
    return tuple(
        locale
        for locale in sorted(named | set(campaign.catalogues))
        if not missing_parts(campaign, channel_name, locale, variant)
    )


def missing_parts(
    campaign: CampaignFiles, channel_name: str, locale: str, variant: str | None
) -> tuple[str, ...]:
    """The required parts that have no template for the locale and variant."""
    return tuple(
        part.name
        for part in channel(channel_name).content_parts
        if part.is_required and find_part(campaign, channel_name, part.name, locale, variant) is None
    )
