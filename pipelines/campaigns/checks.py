"""What a campaign must hold beyond its keys: known types, complete parts, templates in place and compiling.

Each check is a pure function of the campaign that yields problems; `CHECKS` is the whole list.
Whether a predicate is good Spark SQL is found where Spark is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pipelines.campaigns.catalogues import catalogue_problems
from pipelines.campaigns.content import size_problems
from pipelines.campaigns.errors import Problem, did_you_mean
from pipelines.campaigns.locales import canonical_locale, is_locale
from pipelines.campaigns.model import Campaign
from pipelines.campaigns.parts import (
    SHARED_FOLDER,
    PartPath,
    missing_parts,
    parse_part_path,
    part_path,
)
from pipelines.campaigns.rules import (
    check_caps_apply,
    check_delay_ends_open,
    check_hours_open,
    check_predicates,
    check_properties_declared,
)
from pipelines.campaigns.types import parse_type
from schemas.channels import channel
from schemas.ddl import DdlError

CAMPAIGN_FILE = "campaign.yaml"


def check(campaign: Campaign) -> list[Problem]:
    """All problems of a campaign, in the order of `CHECKS`."""
    return [problem for one in CHECKS for problem in one(campaign)]


def check_folder_name(campaign: Campaign, folder_name: str) -> Iterator[Problem]:
    """A campaign is found by its folder, so the two names are one."""
    if campaign.campaign_id != folder_name:
        fix = f"Rename the folder, or write 'campaign_id: {folder_name}'"
        yield Problem(CAMPAIGN_FILE, "campaign_id", f"'{campaign.campaign_id}'", f"'{folder_name}'", fix)


def check_data_types(campaign: Campaign) -> Iterator[Problem]:
    for name, text in campaign.data.items():
        try:
            parse_type(text)
        except DdlError as error:
            yield Problem(CAMPAIGN_FILE, f"data.{name}", str(error), "", "Types are those of Spark DDL")


def check_template_paths(campaign: Campaign) -> Iterator[Problem]:
    for path in campaign.templates:
        if path.startswith(f"{SHARED_FOLDER}/"):
            continue
        parsed = parse_part_path(path)
        if parsed is None:
            fix = "Put pieces for include, import and extends under templates/shared/"
            yield Problem(f"templates/{path}", "", "a path that feeds no message part", _FORM, fix)
            continue
        yield from _path_problems(campaign, path, parsed)


_FORM = "[<variant>/]<channel>/<part>.<locale>.<txt|html>.j2, or shared/…"


def _path_problems(campaign: Campaign, path: str, parsed: PartPath) -> Iterator[Problem]:
    file = f"templates/{path}"
    if parsed.variant is not None and parsed.variant not in campaign.variants:
        hint = did_you_mean(
            parsed.variant, campaign.variants, f"Add '{parsed.variant}' to 'variants' in campaign.yaml"
        )
        yield Problem(
            file, "", f"unknown variant '{parsed.variant}'", ", ".join(campaign.variants) or "none", hint
        )
    if parsed.channel not in campaign.channels:
        hint = did_you_mean(
            parsed.channel, campaign.channels, f"Add '{parsed.channel}' to 'channels', or remove it"
        )
        yield Problem(file, "", f"unknown channel '{parsed.channel}'", ", ".join(campaign.channels), hint)
        return
    parts = {part.name: part for part in channel(parsed.channel).content_parts}
    if parsed.part not in parts:
        hint = did_you_mean(parsed.part, parts, "Rename or remove it")
        yield Problem(file, "", f"unknown part '{parsed.part}'", ", ".join(parts), hint)
    elif parsed.ext != (ext := parts[parsed.part].extension):
        yield Problem(file, "", f"'.{parsed.ext}.j2'", f".{ext}.j2", f"Rename it to end in '.{ext}.j2'")
    if not is_locale(parsed.locale):
        canonical = canonical_locale(parsed.locale)
        fix = f"Write '{canonical}'" if canonical else "Name the locale in the file name, such as en or pt-BR"
        yield Problem(file, "", f"'{parsed.locale}' is no locale", "a BCP 47 tag", fix)


def check_parts_complete(campaign: Campaign) -> Iterator[Problem]:
    for name in campaign.channels:
        for variant in (None, *campaign.variants):
            for locale in sorted(_locales_begun(campaign, name, variant) | {campaign.default_locale}):
                for part in missing_parts(campaign, name, locale, variant):
                    yield _missing(campaign, name, part, locale, variant)


def _locales_begun(campaign: Campaign, channel_name: str, variant: str | None) -> set[str]:
    required = {part.name for part in channel(channel_name).content_parts if part.is_required}
    parsed = filter(None, map(parse_part_path, campaign.templates))
    return {
        one.locale
        for one in parsed
        if (one.channel, one.variant) == (channel_name, variant) and one.part in required
    }


def _missing(campaign: Campaign, channel_name: str, part: str, locale: str, variant: str | None) -> Problem:
    file = f"templates/{part_path(channel_name, part, locale)}"
    owner = f" for variant '{variant}'" if variant else ""
    fix = "Write it"
    if (channel_name, part) == ("email", "text"):
        fix = "Write it: mail programs and spam filters expect a plain-text alternative to the HTML"
    elif locale != campaign.default_locale:
        fix = f"Write it, or remove the channel's other '{locale}' templates to fall back as a whole"
    return Problem(file, "", f"missing{owner}", "", fix)


def check_locales_used(campaign: Campaign) -> Iterator[Problem]:
    translated = any("trans" in text or "_(" in text for text in campaign.templates.values())
    if campaign.catalogues and not translated:
        first = next(iter(campaign.catalogues))
        yield Problem(
            f"locales/{first}.po", "", "no template is translated with {% trans %}", "", "Remove locales/"
        )


def check_catalogues(campaign: Campaign) -> Iterator[Problem]:
    for locale, text in campaign.catalogues.items():
        yield from catalogue_problems(locale, text)


def check_content(campaign: Campaign) -> Iterator[Problem]:
    yield from size_problems(campaign.content)


def check_templates_compile(campaign: Campaign) -> Iterable[Problem]:
    from pipelines.campaigns.compiling import compile_problems

    return compile_problems(campaign)


CHECKS: tuple[Callable[[Campaign], Iterable[Problem]], ...] = (
    check_data_types,
    check_properties_declared,
    check_hours_open,
    check_delay_ends_open,
    check_caps_apply,
    check_predicates,
    check_template_paths,
    check_parts_complete,
    check_locales_used,
    check_catalogues,
    check_content,
    check_templates_compile,
)
