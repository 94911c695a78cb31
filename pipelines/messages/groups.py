"""Which recipients share templates: rows of a batch grouped by resolved locale and variant.

Every row is in exactly one group; a group without a locale is one that has no templates. Groups come in a
fixed order, so equal batches are worked on equally.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign, resolve_locales
from pipelines.campaigns.locales import canonical_locale, resolve_locale


@dataclass(frozen=True)
class TemplateGroup:
    """Rows (int64, ascending) with one locale of templates and one variant."""

    rows: pa.Array
    locale: str | None
    variant: str | None

    def text_locales(self, requested: pa.Array) -> pa.Array:
        """The locale each text is written for: the customer's own where it is one of the templates' language
        (money and dates of `de-AT` in a text of `de`), else that of the templates."""
        assert self.locale is not None
        encoded = requested.dictionary_encode()
        names = [_text_locale(name, self.locale) for name in encoded.dictionary.to_pylist()]
        codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(names))
        return pa.array([*names, self.locale], pa.large_string()).take(codes)


def split_by_template(campaign: Campaign, channel: str, batch: pa.RecordBatch) -> list[TemplateGroup]:
    """The groups of a batch."""
    variants = batch.column("variant").cast(pa.string()).dictionary_encode()
    names: list[str | None] = [*variants.dictionary.to_pylist(), None]
    codes = pc.fill_null(variants.indices.cast(pa.int64()), len(names) - 1)
    groups = []
    for code, variant in sorted(enumerate(names), key=lambda item: item[1] or ""):
        rows = pc.indices_nonzero(pc.equal(codes, code)).cast(pa.int64())
        if len(rows):
            groups += _split_by_locale(campaign, channel, batch.column("locale"), rows, variant)
    return groups


def _split_by_locale(
    campaign: Campaign, channel: str, requested: pa.Array, rows: pa.Array, variant: str | None
) -> list[TemplateGroup]:
    is_known = channel in campaign.channels and (variant is None or variant in campaign.variants)
    available = campaign.locales(channel, variant) if is_known else ()
    if campaign.default_locale not in available:
        return [TemplateGroup(rows, None, variant)]
    resolved = resolve_locales(requested.take(rows), available, campaign.default_locale)
    groups = []
    for code, locale in enumerate(resolved.dictionary.to_pylist()):
        mine = rows.filter(pc.equal(resolved.indices, code))
        if len(mine):
            groups.append(TemplateGroup(mine, locale, variant))
    return groups


def _text_locale(requested: str | None, templates: str) -> str:
    canonical = canonical_locale(requested or "")
    if canonical is None:
        return templates
    return canonical if resolve_locale(canonical, [templates], "") == templates else templates
