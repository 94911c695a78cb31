"""What an author should know about a good campaign: how its templates will run, and how large they are.

A survey never refuses anything. Sizes are those of the sources a template reaches; a recipient's data adds to
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns.compiling import entries, file_of, render_context, sources
from pipelines.campaigns.errors import Problem
from pipelines.campaigns.model import Campaign
from pipelines.campaigns.parts import parse_part_path
from pipelines.campaigns.references import reachable
from pipelines.campaigns.variables import template_schema
from pipelines.messages.sms import GSM7, count_segments, simplify
from pipelines.render import CompiledTemplate, Coverage, compile_template

#: Gmail cuts a message whose HTML is longer, and hides the unsubscribe link with the rest.
GMAIL_CLIPS_BYTES = 102_400
#: Data still has to fit in: warn from nine tenths on.
_NEAR_CLIPPING_BYTES = GMAIL_CLIPS_BYTES * 9 // 10
#: Channels whose messages are billed by the segment.
_IN_SEGMENTS = frozenset({"sms"})


@dataclass(frozen=True)
class TemplateSurvey:
    """One template that renders a part: its sources' bytes, and how much of it runs as kernels.

    `segments` and `encoding` are those of an SMS's longest static text: data only adds to them.
    """

    name: str
    is_html: bool
    source_bytes: int
    coverage: Coverage
    segments: int | None = None
    encoding: str | None = None


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
        surveys.append(
            TemplateSurvey(
                name, is_html, size, compiled.coverage, *_segments(campaign, name, compiled, schema)
            )
        )
    return surveys


def _segments(
    campaign: Campaign, name: str, compiled: CompiledTemplate, schema: pa.Schema
) -> tuple[int | None, str | None]:
    path = parse_part_path(name)
    if path is None or path.channel not in _IN_SEGMENTS:
        return None, None
    text = compiled.longest_static(schema, _bits)
    if text is None:
        return None, None
    texts = pc.utf8_trim_whitespace(pa.array([text], pa.large_string()))
    count = count_segments(simplify(texts) if campaign.sms.simplify else texts)
    return count.segments[0].as_py(), count.encoding[0].as_py()


def _bits(text: str) -> int:
    """What a text weighs as SMS: one character outside GSM-7 makes all of them heavier."""
    is_gsm7 = count_segments(pa.array([text])).encoding[0].as_py() == GSM7
    return len(text) * (7 if is_gsm7 else 16)


def warnings(surveys: list[TemplateSurvey]) -> Iterator[Problem]:
    """What deserves a second look before publishing."""
    for one in surveys:
        if one.is_html and one.source_bytes >= _NEAR_CLIPPING_BYTES:
            found = f"{one.source_bytes:,} bytes of HTML before any data"
            allowed = f"Gmail clips at {GMAIL_CLIPS_BYTES:,} bytes"
            yield Problem(file_of(one.name), "", found, allowed, "Shorten styles and repeated blocks")
