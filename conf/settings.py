"""The whole configuration of one environment as one frozen, picklable object.

Invariant: a value that reaches the code was declared here, with its unit in its name. No Spark import, no
file access.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from conf.base import Section
from conf.house import Decide
from conf.kafka import Kafka
from conf.lake import Lake

SIGNING_KEY_CHARACTERS_MIN = 32  # HMAC-SHA256 gains nothing from more, and loses strength with less


class Stream(Section):
    """The triggered stream."""

    pipeline: str = Field(default="triggered", pattern=r"^[a-z][a-z0-9-]{0,62}$")
    max_offsets_per_epoch: int = Field(default=20_000, ge=1)
    trigger_interval_ms: int = Field(default=1_000, ge=0)
    send_partitions: int = Field(default=2, ge=1, le=1_000)
    checkpoint: str = ""  # empty: checkpoints/<pipeline> under the lake's root


class Publish(Section):
    """Kafka transactions of the publishing tasks."""

    # 10,000 emails of 10 KB are published in about a quarter of a second; begin and commit cost 13 ms.
    messages_per_transaction: int = Field(default=10_000, ge=1)
    # Readers wait this long behind an abandoned transaction; the broker's maximum is 900,000 by default.
    transaction_timeout_ms: int = Field(default=60_000, ge=1_000, le=900_000)


class ChannelLimits(Section):
    """How large one send batch of a channel may get."""

    messages_per_batch_max: int = Field(ge=1, le=10_000)
    # The value alone; key, headers and framing need room under librdkafka's message.max.bytes of 1,000,000.
    batch_bytes_max: int = Field(default=900_000, ge=10_000, le=950_000)


class SmsLimits(ChannelLimits):
    """Limits of SMS, and what it costs."""

    # Amount and currency, such as "0.0075 EUR": estimates are made only where a price is given.
    price_per_segment: str | None = None

    @field_validator("price_per_segment")
    @classmethod
    def _check_price(cls, price: str | None) -> str | None:
        if price is not None and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,8})? [A-Z]{3}", price):
            raise ValueError("expected an amount and a currency, such as '0.0075 EUR'")
        return price

    def cost(self, segments: int) -> str | None:
        """The estimated cost of so many segments, or None without a price."""
        if self.price_per_segment is None:
            return None
        amount, currency = self.price_per_segment.split(" ")
        return f"{Decimal(amount) * segments} {currency}"


class Channels(Section):
    """Limits per channel."""

    email: ChannelLimits = ChannelLimits(messages_per_batch_max=50)
    sms: SmsLimits = SmsLimits(messages_per_batch_max=500)
    push: ChannelLimits = ChannelLimits(messages_per_batch_max=500)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """A channel that names one limit keeps the defaults of its others."""
        if not isinstance(given, Mapping):
            return given
        completed = dict(given)
        for name, field in cls.model_fields.items():
            if isinstance(given.get(name), Mapping):
                completed[name] = {**field.default.model_dump(), **given[name]}
        return completed

    def limits(self, channel: str) -> ChannelLimits:
        """The limits of a channel given by name."""
        limits = getattr(self, channel) if channel in type(self).model_fields else None
        if not isinstance(limits, ChannelLimits):
            raise KeyError(channel)
        return limits


class Links(Section):
    """Where the links in messages lead, and the key that signs them."""

    unsubscribe_base_url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$")
    preferences_base_url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$")
    track_base_url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$")
    signing_key: SecretStr | None = None

    @field_validator("signing_key")
    @classmethod
    def _check_length(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key) < SIGNING_KEY_CHARACTERS_MIN:
            raise ValueError(
                f"expected at least {SIGNING_KEY_CHARACTERS_MIN} characters, found {len(key)}; "
                "try: openssl rand -hex 32"
            )
        return key


class Settings(Section):
    """Everything a job, a command or a sender is told from outside."""

    environment: str
    kafka: Kafka
    lake: Lake
    stream: Stream = Field(default_factory=Stream, validate_default=True)
    publish: Publish = Publish()
    channels: Channels = Channels()
    decide: Decide = Decide()
    links: Links

    @field_validator("stream")
    @classmethod
    def _place_checkpoint(cls, stream: Stream, info: ValidationInfo) -> Stream:
        lake = info.data.get("lake")  # absent when the lake itself did not validate
        if stream.checkpoint or not isinstance(lake, Lake):
            return stream
        return stream.model_copy(update={"checkpoint": lake.uri("checkpoints", stream.pipeline)})
