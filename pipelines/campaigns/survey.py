"""What an author should know about a good campaign: how its templates will run, and how large they are.

A survey never refuses anything. Sizes are those of the sources a template reaches; a recipient's data adds to
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.campaigns.compiling import entries, file_of, render_context, sources
from pipelines.campaigns.errors import Problem
from pipelines.campaigns.model import Campaign
from pipelines.campaigns.references import reachable
from pipelines.campaigns.variables import template_schema
from pipelines.render import Coverage, compile_template

#: Gmail cuts a message whose HTML is longer, and hides the unsubscribe link with the rest.
GMAIL_CLIPS_BYTES = 102_400
#: Data still has to fit in: warn from nine tenths on.
_NEAR_CLIPPING_BYTES = GMAIL_CLIPS_BYTES * 9 // 10


@dataclass(frozen=True)
class TemplateSurvey:
    """One template that renders a part: its sources' bytes, and how much of it runs as kernels."""

    name: str
    is_html: bool
    source_bytes: int
    coverage: Coverage


def survey(campaign: Campaign) -> list[TemplateSurvey]:
    """Every part of the campaign, in the order of names."""
    texts = sources(campaign)
    schema = template_schema(campaign)
    context = render_context(campaign)
    surveys = []
    for name, is_html in entries(campaign):
        compiled = compile_template(name, texts, html=is_html, schema=schema, context=context)
        size = sum(
            len(texts[reached].encode("utf-8")) for reached in {name, *reachable({name: texts[name]}, texts)}
        )
        surveys.append(TemplateSurvey(name, is_html, size, compiled.coverage))
    return surveys


def warnings(surveys: list[TemplateSurvey]) -> Iterator[Problem]:
    """What deserves a second look before publishing."""
    for one in surveys:
        if one.is_html and one.source_bytes >= _NEAR_CLIPPING_BYTES:
            found = f"{one.source_bytes:,} bytes of HTML before any data"
            allowed = f"Gmail clips at {GMAIL_CLIPS_BYTES:,} bytes"
            yield Problem(file_of(one.name), "", found, allowed, "Shorten styles and repeated blocks")
