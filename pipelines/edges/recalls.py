"""Recalls: which campaign versions one means, who was rendered with them, and the record that stops their delivery.

Invariant: a recall names whole versions, because batches do. Telling it twice writes an equal record; senders honour it
for what they have not delivered yet. Nothing is unsent, and no run is stopped by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pipelines.campaigns import Campaign
from pipelines.edges.campaign_store import BUNDLES, CampaignStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.sql import literal
from pipelines.edges.tables import Tables
from pipelines.errors import InputError
from pipelines.identity import uuid5
from schemas.messages import Recall
from schemas.tables import table

LEDGER = table("ledger")
TOPIC = "send.recalls"
#: A digest may be shortened to so many characters.
DIGEST_CHARACTERS_MIN = 8


def versions_of(objects: ObjectStore, campaign_id: str) -> dict[str, Campaign]:
    """Every version of a campaign that was ever published, by its digest. Raises `InputError` when there is none."""
    store = CampaignStore(objects)
    digests = [item.name.removeprefix(BUNDLES).removesuffix(".json") for item in objects.list(BUNDLES)]
    found = {digest: store.load(digest) for digest in digests}
    known = sorted({campaign.campaign_id for campaign in found.values()})
    chosen = {digest: one for digest, one in found.items() if one.campaign_id == campaign_id}
    if not chosen:
        raise InputError(f"campaign '{campaign_id}' was never published in this lake. Published: {known}.")
    return chosen


def template_digests(campaign: Campaign) -> dict[str, str]:
    """SHA-256 of each template's text, by its path."""
    return {
        path: hashlib.sha256(text.encode("utf-8")).hexdigest()
        for path, text in sorted(campaign.templates.items())
    }


def choose(
    versions: dict[str, Campaign], template_digest: str | None, content_version: str | None
) -> list[str]:
    """The versions that are meant: the one of that digest, or all that hold a template of that digest. Raises
    `InputError` when nothing matches, or a shortened digest could be several."""
    wanted = template_digest or content_version or ""
    if len(wanted) < DIGEST_CHARACTERS_MIN:
        raise InputError(
            f"'{wanted}' is too short for a digest: give at least {DIGEST_CHARACTERS_MIN} characters."
        )
    if content_version:
        found, matched = {digest: {digest} for digest in versions if digest.startswith(wanted)}, "versions"
    else:
        found, matched = {}, "templates"
        for digest, campaign in versions.items():
            texts = {one for one in template_digests(campaign).values() if one.startswith(wanted)}
            if texts:
                found[digest] = texts
    distinct = set().union(*found.values())
    if len(distinct) != 1:
        raise InputError(
            f"'{wanted}' matches {len(distinct)} {matched} of this campaign; exactly one is needed. `carillon recall "
            "--campaign KEY` alone lists them."
        )
    return sorted(found)


def recipients(tables: Tables, versions: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Who was sent a message of these versions, or is to be, by a run that has not ended: message_id, customer_id,
    channel, campaign_version, pipeline, decided_at; one for each decision, in the order of time."""
    names = ", ".join(literal(version) for version in versions)
    sql = (
        "SELECT message_id, customer_id, channel, campaign_version, pipeline, decided_at FROM t "
        f"WHERE campaign_version IN ({names}) AND stage = 'decide' AND decision = 'sent' AND decision_id NOT IN "
        f"(SELECT decision_id FROM t WHERE campaign_version IN ({names}) AND stage = 'render') "
        "ORDER BY decided_at, message_id"
    )
    yield from tables.query(LEDGER, sql)


def make_recall(campaign_id: str, version: str, now: datetime, detail: str | None) -> tuple[bytes, bytes]:
    """Key and value of the record."""
    recall = Recall(
        recall_id=uuid5("recall", campaign_id, version),
        campaign_id=campaign_id,
        campaign_version=version,
        recalled_at=now,
        detail=detail,
    )
    return version.encode(), recall.to_json().encode()
