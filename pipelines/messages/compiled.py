"""A campaign ready to make messages: every template compiled once, found again by the campaign's digest.

`assemble` gives one payload or one failure for each row, in the order of the rows; no row's failure touches
another. It is a pure function of campaign, links and batch. Batching, sizes of batches and publishing happen
elsewhere.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign
from pipelines.campaigns.compiling import entries, inline_parts, render_context, sources
from pipelines.campaigns.parts import find_part, parse_part_path
from pipelines.links import LinkSettings
from pipelines.messages.channels import COMPOSERS, Group
from pipelines.messages.data import parse_data
from pipelines.messages.failures import Failure, from_row_error
from pipelines.messages.groups import TemplateGroup, split_by_template
from pipelines.messages.variables import template_batch
from pipelines.messages.wire import constant, escape, join, obj, quoted
from pipelines.render import CompiledTemplate, compile_template
from schemas.channels import channel as channel_row

_LOG = logging.getLogger("carillon.render")
#: Compiled campaigns kept by a worker; a version is a few hundred kilobytes of templates.
CACHED_CAMPAIGNS = 64
#: Parts that go into the message as rendered: their static text is escaped once; others are tidied first.
_RAW_PARTS = frozenset({("email", "html"), ("email", "text")})


@dataclass(frozen=True)
class Assembled:
    """One JSON object per row of the batch, null where the row failed, and one failure for each null."""

    payloads: pa.LargeBinaryArray
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class _Rows:
    """Payloads of some rows of a batch, with the rows' numbers in it."""

    rows: pa.Array
    payloads: pa.Array
    failures: list[Failure]


class CompiledCampaign:
    """One campaign version with its templates compiled."""

    def __init__(self, campaign: Campaign, links: LinkSettings) -> None:
        self.campaign = campaign
        self.links = links
        self._told: set[tuple[str, str]] = set()
        texts = sources(campaign)
        context = replace(
            render_context(campaign),
            signing_key=links.signing_key,
            track_base_url=links.track_base_url,
            unsubscribe_base_url=links.unsubscribe_base_url,
            preferences_base_url=links.preferences_base_url,
        )
        self._templates: dict[str, CompiledTemplate] = {
            name: compile_template(
                name, texts, html=is_html, wire="json" if _is_raw(name) else "text", context=context
            )
            for name, is_html in entries(campaign)
        }

    def customer_fields(self) -> frozenset[str] | None:
        """The fields of the customer that its messages can be made of; None: all of them."""
        addresses = {channel_row(channel).address_column for channel in self.campaign.channels}
        fields = [template.fields_of("customer") for template in self._templates.values()]
        known = [one for one in fields if one is not None]
        return frozenset(addresses).union(*known) if len(known) == len(fields) else None

    def assemble(self, channel: str, batch: pa.RecordBatch) -> Assembled:
        """The messages of recipients of this campaign on one channel; columns: `variables.INPUT_COLUMNS`."""
        data = parse_data(batch.column("data"), self.campaign.data_arrow_schema())
        failures = [Failure(row, "invalid_data", detail) for row, detail in data.failures.items()]
        done: list[_Rows] = []
        for group in split_by_template(self.campaign, channel, batch):
            rows = _without(group.rows, data.failures)
            if group.locale is None:
                detail = f"no template for channel '{channel}'" + (
                    f", variant '{group.variant}'" if group.variant else ""
                )
                failures += [Failure(row, "no_template", detail) for row in rows.to_pylist()]
            elif len(rows):
                done.append(self._assemble_group(channel, group, rows, batch, data.values))
        failures += [failure for part in done for failure in part.failures]
        return Assembled(
            _in_order(done, batch.num_rows), tuple(sorted(failures, key=lambda failure: failure.row))
        )

    def _assemble_group(
        self, channel: str, group: TemplateGroup, rows: pa.Array, batch: pa.RecordBatch, data: pa.StructArray
    ) -> _Rows:
        if len(rows) < batch.num_rows:
            batch, data = batch.take(rows), data.take(rows)
        locales = group.text_locales(batch.column("locale"))
        variables = template_batch(self.campaign, channel, batch, data, locales)
        reasons: dict[int, Failure] = {}
        numbers = rows.to_pylist()
        parts: dict[str, pa.Array | None] = {}
        for part, name in self._part_names(channel, group):
            parts[part] = None
            if name is not None:
                rendered = self._templates[name].render(variables)
                parts[part] = rendered.text.cast(pa.large_string())
                self._note_faults(name)
                for error in rendered.errors:
                    reasons.setdefault(error.row, from_row_error(error, numbers[error.row]))
        address = pc.struct_field(batch.column("customer"), channel_row(channel).address_column)
        ids, customers = (
            batch.column(name).cast(pa.large_string()) for name in ("message_id", "customer_id")
        )
        composed = COMPOSERS[channel](
            Group(self.campaign, self.links, channel, ids, customers, address.cast(pa.large_string()), parts)
        )
        faults = [
            (pc.is_null(address), "no_address", f"the customer has no address for '{channel}'"),
            *composed.faults,
        ]
        for mask, reason, detail in faults:
            for row in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
                reasons.setdefault(row, Failure(numbers[row], reason, detail))
        head = {
            "message_id": quoted(escape(ids)),
            "customer_id": quoted(escape(customers)),
            "locale": quoted(escape(locales)),
            "variant": quoted(None if group.variant is None else constant(group.variant)),
        }
        payloads = join(obj({**head, **composed.members}), len(rows))
        return _Rows(rows, _blank(payloads, reasons), list(reasons.values()))

    def _note_faults(self, name: str) -> None:
        """Tells of bugs in the kernels that the row-wise engine stood in for: once for each place."""
        for fault in self._templates[name].faults:
            if (name, fault) not in self._told:
                self._told.add((name, fault))
                _LOG.warning(
                    "campaign %s version %s, template %s: rendered row by row, a kernel failed: %s",
                    self.campaign.campaign_id,
                    self.campaign.digest[:12],
                    name,
                    fault,
                )

    def _part_names(self, channel: str, group: TemplateGroup) -> list[tuple[str, str | None]]:
        """(part, template) of the group, in the channel's order; None for an optional part without one."""
        assert group.locale is not None
        names: list[tuple[str, str | None]] = [
            (part.name, find_part(self.campaign, channel, part.name, group.locale, group.variant))
            for part in channel_row(channel).content_parts
        ]
        return [*names, *inline_parts(self.campaign, channel)]


@functools.lru_cache(maxsize=CACHED_CAMPAIGNS)
def compile_campaign(campaign: Campaign, links: LinkSettings) -> CompiledCampaign:
    """The compiled campaign, from the worker's cache when this version was compiled before."""
    return CompiledCampaign(campaign, links)


def _is_raw(name: str) -> bool:
    path = parse_part_path(name)
    return path is not None and (path.channel, path.part) in _RAW_PARTS


def _without(rows: pa.Array, failed: dict[int, str]) -> pa.Array:
    if not failed:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows, pa.array(sorted(failed), rows.type))))


def _blank(payloads: pa.Array, failed: dict[int, Failure]) -> pa.Array:
    if not failed:
        return payloads
    keep = pa.array([row not in failed for row in range(len(payloads))], pa.bool_())
    return pc.if_else(keep, payloads, pa.scalar(None, payloads.type))


def _in_order(done: list[_Rows], rows: int) -> pa.LargeBinaryArray:
    """The payloads at their rows' places; rows that are in no part are null."""
    if len(done) == 1 and len(done[0].rows) == rows:
        return done[0].payloads.cast(pa.large_binary())
    if not done:
        return pa.nulls(rows, pa.large_binary())
    payloads = pa.concat_arrays([part.payloads for part in done]).cast(pa.large_binary())
    place = pc.index_in(pa.array(range(rows), pa.int64()), pa.concat_arrays([part.rows for part in done]))
    return payloads.take(place)
