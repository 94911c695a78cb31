"""Bundles: content alone decides the digest, and what comes back is what went in."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from pipelines.campaigns import Campaign, CampaignError, bundle, load_folder

if TYPE_CHECKING:
    from tests.pipelines.campaigns.conftest import WriteCampaign


def test_a_bundle_reads_back(write_campaign: WriteCampaign) -> None:
    campaign = load_folder(write_campaign(variants="variants: {b: 2, a: 1}"))
    packed = bundle(campaign)
    assert packed.digest == hashlib.sha256(packed.payload).hexdigest() == campaign.digest
    back = Campaign.from_bundle(packed.payload)
    assert back == campaign
    assert list(back.data) == list(campaign.data)
    assert list(back.variants) == ["b", "a"]
    assert bundle(back) == packed
    assert pickle.loads(pickle.dumps(back)) == back


def test_the_digest_is_of_content_only(write_campaign: WriteCampaign) -> None:
    first = load_folder(write_campaign())
    assert load_folder(write_campaign()).digest == first.digest
    shuffled = first.model_copy(update={"templates": dict(reversed(first.templates.items()))})
    assert bundle(shuffled).digest == first.digest
    assert hash(shuffled) == hash(first)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "name: Other"},
        {"status": "status: paused"},
        {"channels": "channels: [sms, email]"},
        {"data": "data: {seats: long, plan: string}"},
        {"sms": "sms: {max_segments: 2}"},
    ],
)
def test_every_key_is_content(write_campaign: WriteCampaign, change: dict[str, str]) -> None:
    assert load_folder(write_campaign()).digest != load_folder(write_campaign(**change)).digest


def test_a_template_is_content(write_campaign: WriteCampaign) -> None:
    changed = load_folder(
        write_campaign({"templates/sms/text.en.txt.j2": "Welcome to {{ event.properties.plan }}!"})
    )
    assert changed.digest != load_folder(write_campaign({"templates/sms/text.en.txt.j2": "x"})).digest


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"format":1}',
        b"\xff",
        b'{"format":1,"campaign":{"data":[],"variants":[]}}',
    ],
)
def test_what_is_no_bundle_is_refused(payload: bytes) -> None:
    with pytest.raises(CampaignError, match="bundle"):
        Campaign.from_bundle(payload)


def test_another_format_is_refused(write_campaign: WriteCampaign) -> None:
    document = json.loads(bundle(load_folder(write_campaign())).payload)
    with pytest.raises(CampaignError, match="bundle format 2"):
        Campaign.from_bundle(json.dumps({**document, "format": 2}).encode())
