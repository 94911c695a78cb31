"""The example campaigns over the synthetic audience: valid messages, or a reason for each row without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import BaseModel

from examples.audience import generate_audience
from examples.records import Clock, Record, cart_trigger, delivery_scheduled, order_shipped
from pipelines.campaigns import Campaign, find_campaigns, load_folder
from pipelines.links import LinkSettings
from pipelines.messages import compile_campaign
from schemas.messages import EmailMessage, PushMessage, SmsMessage

CAMPAIGNS = find_campaigns(Path(__file__).parents[3] / "examples" / "campaigns")
MODELS: dict[str, type[BaseModel]] = {"email": EmailMessage, "sms": SmsMessage, "push": PushMessage}
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ROWS = 400


@cache
def audience() -> pa.Table:
    return generate_audience(ROWS, seed=7).combine_chunks()


def record(campaign_id: str, number: int) -> Record | None:
    bits = (number + 1) * 0x9E3779B97F4A7C15 % 2**64
    customer, clock = f"c-{number}", Clock(NOW)
    if campaign_id == "cart_reminder":
        return cart_trigger(f"t-{number}", customer, bits, clock.recent(bits))
    makers = {"order_shipped": order_shipped, "delivery_reminder": delivery_scheduled}
    maker = makers.get(campaign_id)
    return None if maker is None else maker(number, customer, bits, clock)


def data_of(campaign_id: str) -> Iterator[str | None]:
    for number in range(ROWS):
        made = record(campaign_id, number)
        if made is None or made.value is None:
            yield None
        else:
            content = json.loads(made.value)
            yield json.dumps(content.get("data") or content.get("properties"))


def recipients(campaign: Campaign) -> pa.RecordBatch:
    table = audience()
    customers = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in table.columns], names=table.column_names
    )
    variants: list[str | None] = [*campaign.variants] or [None]
    columns: dict[str, Any] = {
        "message_id": pa.array([f"00000000-0000-5000-8000-{number:012d}" for number in range(ROWS)]),
        "customer_id": table["customer_id"].combine_chunks(),
        "locale": table["locale"].combine_chunks(),
        "variant": pa.array([variants[number % len(variants)] for number in range(ROWS)], pa.string()),
        "occurred_at": pa.repeat(pa.scalar(NOW, pa.timestamp("us", "UTC")), ROWS),
        "source": pa.repeat("event", ROWS),
        "source_id": pa.array([f"s-{number}" for number in range(ROWS)]),
        "data": pa.array(list(data_of(campaign.campaign_id)), pa.string()),
        "customer": customers,
    }
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize("folder", CAMPAIGNS, ids=lambda folder: folder.name)
def test_every_recipient_with_an_address_gets_a_message(folder: Path, links: LinkSettings) -> None:
    campaign = load_folder(folder)
    batch = recipients(campaign)
    for channel in campaign.channels:
        assembled = compile_campaign(campaign, links).assemble(channel, batch)
        assert {failure.reason for failure in assembled.failures} <= {"no_address"}
        made = [json.loads(payload) for payload in assembled.payloads.to_pylist() if payload is not None]
        assert len(made) + len(assembled.failures) == ROWS
        assert len(made) > ROWS / 3
        reachable = {"to": "someone@example.org"} if channel == "email" else {"to": "+15550100"}
        for message in made:  # addresses are checked when the audience is built
            MODELS[channel].model_validate(message | (reachable if "to" in message else {}))
        assert len({message["locale"].split("-")[0] for message in made}) > 1


@pytest.mark.parametrize("folder", CAMPAIGNS, ids=lambda folder: folder.name)
def test_messages_are_made_of_the_fields_that_are_said_to_be_read(folder: Path, links: LinkSettings) -> None:
    compiled, batch = compile_campaign(load_folder(folder), links), recipients(load_folder(folder))
    whole, fields = batch.column("customer"), compiled.customer_fields()
    assert fields is not None
    assert "consents" not in fields
    kept = [field for field in whole.type if field.name in fields]
    thin = pa.StructArray.from_arrays([whole.field(field.name) for field in kept], fields=kept)
    less = batch.set_column(batch.schema.get_field_index("customer"), "customer", thin)
    for channel in compiled.campaign.channels:
        assert compiled.assemble(channel, less) == compiled.assemble(channel, batch)


def test_there_are_long_campaigns_in_several_locales() -> None:
    campaigns = {campaign.campaign_id: campaign for campaign in map(load_folder, CAMPAIGNS)}
    assert campaigns["weekly_newsletter"].locales("email") == ("ar", "de", "en", "fr")
    assert set(campaigns["delivery_reminder"].channels) == {"email", "sms", "push"}
    assert len(campaigns["win_back"].variants) == 3


def test_the_newsletter_escapes_what_customers_typed(links: LinkSettings) -> None:
    (folder,) = [folder for folder in CAMPAIGNS if folder.name == "weekly_newsletter"]
    batch = recipients(load_folder(folder))
    assembled = compile_campaign(load_folder(folder), links).assemble("email", batch)
    pages = [json.loads(payload)["html"] for payload in assembled.payloads.to_pylist() if payload is not None]
    assert not any("<script>" in page or "USB-C <cable>" in page for page in pages)
    assert any("USB-C &lt;cable&gt;" in page for page in pages)
    assert sum(map(len, pages)) / len(pages) > 9_000


def test_the_cart_reminder_counts_in_german(links: LinkSettings) -> None:
    (folder,) = [folder for folder in CAMPAIGNS if folder.name == "cart_reminder"]
    campaign = load_folder(folder)
    batch = recipients(campaign)
    carts = [json.dumps({"cart_id": "c", "items": ["Kessel <1 l>"] + ["Tee"] * more}) for more in (0, 1, 2)]
    locales = ["de", "de-AT", "de", "en"]
    batch = batch.slice(0, 4)
    changed = {"data": [*carts, carts[1]], "locale": locales}
    for name, values in changed.items():
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, name, pa.array(values, batch.schema.field(at).type))
    customers = batch.column("customer").to_pylist()
    reachable = [one | {"push_token": "t", "email": "a@example.org"} for one in customers]
    at = batch.schema.get_field_index("customer")
    batch = batch.set_column(at, "customer", pa.array(reachable, batch.schema.field(at).type))
    pushes = compile_campaign(campaign, links).assemble("push", batch).payloads.to_pylist()
    assert [json.loads(payload or b"{}").get("body") for payload in pushes] == [
        "Kessel <1 l>: noch da.",
        "Kessel <1 l> und 1 weiteres Stück: alles noch da.",
        "Kessel <1 l> und 2 weitere Stücke: alles noch da.",
        "Kessel <1 l> and 1 more thing: still here, whenever you like.",
    ]


def test_the_newsletter_shows_its_table(links: LinkSettings) -> None:
    (folder,) = [folder for folder in CAMPAIGNS if folder.name == "weekly_newsletter"]
    campaign = load_folder(folder)
    assert list(campaign.content) == ["shelf"]
    assembled = compile_campaign(campaign, links).assemble("email", recipients(campaign))
    letters = [json.loads(payload) for payload in assembled.payloads.to_pylist() if payload is not None]
    german = [one for one in letters if one["locale"].startswith("de")]
    assert german
    assert all("Salz- &amp; Pfeffermühle" in one["html"] for one in german)
    assert all("* Salz- & Pfeffermühle: Buche" in one["text"] for one in german)
