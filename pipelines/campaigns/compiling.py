"""Compiles every part of a campaign and reports the templates that could never render.

A campaign that passes compiles the same way where messages are made. Renders nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.campaigns.content import tables
from pipelines.campaigns.errors import Problem
from pipelines.campaigns.model import Campaign
from pipelines.campaigns.names import unknown_names
from pipelines.campaigns.parts import SHARED_FOLDER, content_part, parse_part_path
from pipelines.campaigns.references import parse, reachable
from pipelines.campaigns.variables import template_schema
from pipelines.render import RenderContext, TemplateError, compile_template
from schemas.ddl import DdlError

#: Templates written in campaign.yaml are sources under their key path; no file can have such a name.
_INLINE = "campaign.yaml:"


def inline_parts(campaign: Campaign, channel: str) -> list[tuple[str, str]]:
    """(part, template name) of the parts of a channel that are written in campaign.yaml itself."""
    texts = _inline_texts(campaign)
    prefix = f"{_INLINE}{channel}."
    return [(name.removeprefix(prefix), name) for name in texts if name.startswith(prefix)]


def sources(campaign: Campaign) -> dict[str, str]:
    """All template texts of a campaign by name, those in campaign.yaml among them."""
    return {**campaign.templates, **_inline_texts(campaign)}


def _inline_texts(campaign: Campaign) -> dict[str, str]:
    return {f"{_INLINE}push.data.{key}": text for key, text in sorted(campaign.push.data.items())}


def entries(campaign: Campaign) -> Iterator[tuple[str, bool]]:
    """(name, is HTML) of each template that renders a part; shared ones are reached through these."""
    for path in sorted(campaign.templates):
        parsed = None if path.startswith(f"{SHARED_FOLDER}/") else parse_part_path(path)
        if parsed is not None and parsed.channel in campaign.channels:
            try:
                part = content_part(parsed.channel, parsed.part)
            except KeyError:
                continue
            yield path, part.is_html
    for channel in campaign.channels:
        for _, name in inline_parts(campaign, channel):
            yield name, False


def compile_problems(campaign: Campaign) -> Iterator[Problem]:
    """Templates that can never render, and names that no recipient has."""
    texts = sources(campaign)
    for name in sorted(campaign.templates):
        if name.startswith(f"{SHARED_FOLDER}/") and parse(texts[name]) is None:
            yield from _compile(campaign, name, False, texts)
    reached: set[str] = set()
    seen: set[Problem] = set()
    for name, is_html in entries(campaign):
        for problem in _compile(campaign, name, is_html, texts):
            if problem not in seen:
                seen.add(problem)
                yield problem
        reached |= {name, *reachable({name: texts[name]}, texts)}
    try:
        schema = template_schema(campaign)
    except DdlError:
        return
    content = tables(campaign.content)
    for name in sorted(reached):
        for line, path, hint in unknown_names(texts[name], schema, content):
            yield Problem(file_of(name), f"line {line}", f"'{path}' does not exist", "", hint)


def render_context(campaign: Campaign) -> RenderContext:
    """What the campaign itself gives its templates: all but the links."""
    return RenderContext(
        locale=campaign.default_locale, catalogues=campaign.catalogues, content=tables(campaign.content)
    )


def _compile(campaign: Campaign, name: str, is_html: bool, texts: Mapping[str, str]) -> Iterator[Problem]:
    context = render_context(campaign)
    try:
        compile_template(name, texts, html=is_html, context=context)
    except TemplateError as error:
        place = f"line {error.line}" if error.line else ""
        yield Problem(file_of(error.template), place, error.problem, "", error.hint)


def file_of(name: str) -> str:
    """The file an author finds a template in, from the campaign's folder."""
    return name.replace(":", ": ", 1) if name.startswith(_INLINE) else f"templates/{name}"
