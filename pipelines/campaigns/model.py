"""A campaign: what its `campaign.yaml` says, and the template and catalogue texts that belong to it.

Instances are immutable and complete in themselves: nothing is read from a disk after loading. Predicates
(`trigger.when`, `audience.where`) are kept as text; Spark parses them where they are used.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from pipelines.campaigns.keys import ChannelName, ConsentTopic, FieldName, Keys, Predicate, Slug, ZoneName
from pipelines.campaigns.limits import FrequencyCap, Fuse, Holdout, Rate
from pipelines.campaigns.locales import LOCALE_PATTERN
from pipelines.campaigns.parts import available_locales
from pipelines.campaigns.timing import QuietHours, SendWindow
from pipelines.campaigns.trigger import TriggerRule
from pipelines.campaigns.types import canonical_ddl, parse_type

MAX_SMS_SEGMENTS = 10


class AudienceRule(Keys):
    """Whom a scheduled campaign considers."""

    where: Predicate = Field(description="Spark SQL over the columns of the audience snapshot")
    record_outside: bool = Field(
        default=False,
        description="customers outside the rule are recorded too, with the clause that they failed",
    )


class SmsOptions(Keys):
    max_segments: int = Field(
        default=3, ge=1, le=MAX_SMS_SEGMENTS, description="longer texts fail as message_too_large"
    )

    simplify: bool = Field(
        default=True,
        description="typographic blanks, quotes and dashes become plain where that makes the text GSM-7",
    )


class PushOptions(Keys):
    data: dict[FieldName, str] = Field(
        default_factory=dict, description="extra key-value data for the app; each value is a template"
    )


class CampaignSpec(Keys):
    """The keys of `campaign.yaml`."""

    campaign_id: Slug = Field(description="equal to the folder's name")
    name: str = Field(min_length=1, max_length=200, description="for people; may change")
    status: Literal["active", "paused"] = "active"
    topic: ConsentTopic = Field(description="the consent topic")
    kind: Literal["triggered", "scheduled"]
    trigger: TriggerRule | None = None
    data: dict[FieldName, str] = Field(
        default_factory=dict, description="declared trigger data or event properties: name to Spark DDL type"
    )
    audience: AudienceRule | None = None
    channels: tuple[ChannelName, ...] = Field(min_length=1, strict=False, description="tried in this order")
    default_locale: str = Field(
        pattern=f"^{LOCALE_PATTERN}$", description="for recipients without a translation"
    )
    variants: dict[Slug, Annotated[int, Field(ge=1, le=10_000)]] = Field(
        default_factory=dict, description="A/B/n: variant name to relative weight"
    )
    channel_choice: Literal["all", "first", "preferred"] = Field(
        default="all",
        description="every channel, the first by which the customer can be reached, or the preferred one (else first)",
    )
    quiet_hours: QuietHours | None = Field(
        default=None, description="when nothing is sent, on the recipient's clock"
    )
    send_window: SendWindow | None = Field(
        default=None, description="when alone it is sent, on the recipient's clock"
    )
    default_time_zone: ZoneName = Field(default="UTC", description="for recipients without a known time zone")
    frequency_caps: tuple[FrequencyCap, ...] = Field(default=(), strict=False, description="all of them hold")
    category: Slug | None = Field(
        default=None, description="what caps count by; the consent topic when absent"
    )
    priority: int = Field(
        default=50, ge=0, le=100, description="of several campaigns that compete, the highest wins"
    )
    lane: Literal["urgent", "bulk"] | None = Field(
        default=None,
        description="urgent is published first; the default of triggered transactional campaigns",
    )
    rate: Rate | None = Field(default=None, description="delivery rate; what is over it waits its turn")
    holdout: Holdout | None = Field(default=None, description="customers who do not get it, to measure by")
    fuse: Fuse = Field(default=Fuse(), description="pauses the campaign when too many of its messages fail")
    sms: SmsOptions = SmsOptions()
    push: PushOptions = PushOptions()

    @field_validator("data")
    @classmethod
    def _names_differ(cls, data: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for name in data:
            if name.lower() in seen:
                raise ValueError(f"'{name}' is declared twice (Spark ignores case)")
            seen.add(name.lower())
        return data

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) != len(channels):
            raise ValueError("a channel is named twice")
        return channels

    @field_validator("variants")
    @classmethod
    def _variants_are_free(cls, variants: dict[str, int]) -> dict[str, int]:
        taken = sorted(set(variants) & {"email", "sms", "push", "shared"})
        if taken:
            raise ValueError(f"'{taken[0]}' is a folder of templates and cannot name a variant")
        return variants

    @model_validator(mode="after")
    def _kind_fits(self) -> CampaignSpec:
        if self.kind == "triggered" and self.trigger is None:
            raise ValueError("a triggered campaign needs 'trigger' (explicit: true, or event: <type>)")
        if self.kind == "triggered" and self.audience is not None:
            raise ValueError(
                "'audience' belongs to scheduled campaigns; use trigger.when for a triggered one"
            )
        if self.kind == "scheduled" and self.audience is None:
            raise ValueError(
                "a scheduled campaign needs 'audience' with 'where' (where: \"true\" for everybody)"
            )
        if self.kind == "scheduled" and (self.trigger is not None or self.data):
            raise ValueError("'trigger' and 'data' belong to triggered campaigns")
        if self.kind == "triggered" and self.rate is not None and self.rate.ramp:
            raise ValueError(
                "'rate.ramp' belongs to scheduled campaigns: a trigger has no beginning to count from"
            )
        return self


class Campaign(CampaignSpec):
    """A loaded campaign: its keys, and by name its template sources, catalogues and reference tables."""

    templates: dict[str, str] = Field(default_factory=dict, description="path below templates/ to source")
    catalogues: dict[str, str] = Field(default_factory=dict, description="locale to the text of its .po file")
    content: dict[str, str] = Field(default_factory=dict, description="table name to its values as JSON text")

    @cached_property
    def digest(self) -> str:
        """The campaign version: SHA-256 of the canonical content."""
        from pipelines.campaigns.bundle import bundle

        return bundle(self).digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def data_arrow_schema(self) -> pa.StructType:
        """The declared data as one Arrow struct, in the order of `campaign.yaml`."""
        return pa.struct([pa.field(name, parse_type(text)) for name, text in self.data.items()])

    def data_ddl(self) -> str:
        """The declared data as a Spark DDL schema; an empty text when nothing is declared."""
        return ", ".join(f"`{name}` {canonical_ddl(text)}" for name, text in self.data.items())

    def locales(self, channel: str, variant: str | None = None) -> tuple[str, ...]:
        """The locales in which the channel can be rendered completely, for the variant if one is given."""
        return available_locales(self, channel, variant)

    @staticmethod
    def from_bundle(payload: bytes) -> Campaign:
        """The campaign of one bundle object; raises `CampaignError` when the payload is not one."""
        from pipelines.campaigns.bundle import unbundle

        return unbundle(payload)
