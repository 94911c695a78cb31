"""The same messages as people make them today: a row UDF with Jinja2, collect_list, to_json, Spark's Kafka sink.

Invariant: its messages equal Carillon's, field for field (`bench.publish` compares them before it measures); what it
leaves out is what Carillon adds: decisions with reasons, a ledger, and exactly once. Not a reference for how to do it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from conf import Settings
from pipelines.campaigns import Campaign
from pipelines.identity import uuid5
from pipelines.links import LinkClaim, LinkSettings, link_settings, signed_url
from pipelines.messages.sms import (
    BASIC,
    EXTENSION,
    GSM7,
    GSM7_PART,
    GSM7_SINGLE,
    UCS2,
    UCS2_PART,
    UCS2_SINGLE,
)
from schemas.channels import channel as channel_named

_HEAD = "message_id string, customer_id string, locale string, variant string, `to` string"
_TYPES = {
    "email": f"struct<{_HEAD}, subject string, preheader string, html string, text string, headers struct<"
    "`List-Unsubscribe` string, `List-Unsubscribe-Post` string, `Message-ID` string>>",
    "sms": f"struct<{_HEAD}, text string, encoding string, segments int>",
}
_GSM7 = re.compile(f"[{re.escape(BASIC + EXTENSION)}]*")

#: The templates of this worker, compiled by Jinja2 once.
_templates: dict[str, Any] = {}


def send_naively(settings: Settings, campaign: Campaign, audience: DataFrame, run_id: str) -> None:
    """Render and send to everybody in `audience` who consented."""
    (channel,) = campaign.channels
    declared = channel_named(channel)
    address = F.col(declared.address_column)
    consented = F.exists(
        "consents", lambda c: (c["channel"] == channel) & (c["topic"] == campaign.topic) & c["granted"]
    )
    recipients = audience.where("array_contains(segments, 'loyal')").where(consented & address.isNotNull())
    render = F.udf(_renderer(campaign, channel, link_settings(settings.links), run_id), _TYPES[channel])
    most = settings.channels.limits(channel).messages_per_batch_max
    batches = (
        recipients.select(render(F.struct(*audience.columns)).alias("message"))
        .groupBy(F.floor(F.monotonically_increasing_id() / most).alias("number"))
        .agg(F.collect_list("message").alias("messages"))
    )
    sink = batches.select(*_record(campaign, channel)).write.format("kafka")
    sink.options(**settings.kafka.spark_source(), topic=declared.topic).save()


def _record(campaign: Campaign, channel: str) -> list[Column]:
    batch_id = F.expr("uuid()")
    value = F.struct(
        batch_id.alias("batch_id"),
        F.lit("naive").alias("pipeline"),
        F.lit(0).alias("unit"),
        F.lit(channel).alias("channel"),
        F.lit(campaign.campaign_id).alias("campaign_id"),
        F.lit(campaign.digest).alias("campaign_version"),
        "messages",
    )
    headers = {
        "content-type": F.lit("application/json"),
        "campaign_id": F.lit(campaign.campaign_id),
        "message_count": F.size("messages").cast("string"),
    }
    pairs = [
        F.struct(F.lit(name).alias("key"), text.cast("binary").alias("value"))
        for name, text in headers.items()
    ]
    return [
        F.to_json(value, {"ignoreNullFields": "false"}).alias("value"),
        F.array(*pairs).alias("headers"),
    ]


def _renderer(
    campaign: Campaign, channel: str, links: LinkSettings, run_id: str
) -> Callable[[Row], dict[str, Any]]:
    """The UDF: one customer's row in, one message out."""
    sources, campaign_id, topic = dict(campaign.templates), campaign.campaign_id, campaign.topic

    def render(customer: Row) -> dict[str, Any]:
        person = customer.asDict(recursive=True)
        message_id = uuid5(campaign_id, run_id, customer.customer_id, channel)
        message = {"message_id": message_id, "customer_id": customer.customer_id, "locale": "en"}
        made = _MAKERS[channel](sources, person, message_id, topic, links)
        return {**message, "variant": None, **made}

    return render


def _email(
    sources: dict[str, str], person: dict[str, Any], message_id: str, topic: str, links: LinkSettings
) -> dict[str, Any]:
    claim = LinkClaim(message_id, person["customer_id"], "email", topic)
    return {
        "to": person["email"],
        "subject": _text(sources, "email/subject.en.txt.j2", person).strip(),
        "preheader": None,
        "html": _text(sources, "email/html.en.html.j2", person),
        "text": _text(sources, "email/text.en.txt.j2", person),
        "headers": {
            "List-Unsubscribe": f"<{signed_url(links.unsubscribe_base_url, links.signing_key, claim)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Message-ID": f"<{message_id}@{links.message_id_domain}>",
        },
    }


def _sms(
    sources: dict[str, str], person: dict[str, Any], _message_id: str, _topic: str, _links: LinkSettings
) -> dict[str, Any]:
    text = _text(sources, "sms/text.en.txt.j2", person).strip()
    is_gsm7 = _GSM7.fullmatch(text) is not None
    single, part = (GSM7_SINGLE, GSM7_PART) if is_gsm7 else (UCS2_SINGLE, UCS2_PART)
    segments = 1 if len(text) <= single else -(-len(text) // part)
    return {
        "to": person["phone"],
        "text": text,
        "encoding": GSM7 if is_gsm7 else UCS2,
        "segments": segments,
    }


_MAKERS = {"email": _email, "sms": _sms}


def _text(sources: dict[str, str], name: str, person: dict[str, Any]) -> str:
    template = _templates.get(name)
    if template is None:
        from jinja2 import Environment, StrictUndefined

        environment = Environment(undefined=StrictUndefined, autoescape=".html." in name)
        template = _templates[name] = environment.from_string(sources[name])
    rendered: str = template.render(customer=person)
    return rendered
