"""How much of a campaign reaches people: frequency caps, delivery rate, holdout, fuse.

Invariant: every number has its unit in its key or in its text, and a rule that could never let a message through is
refused.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from conf.spans import CALENDAR_PERIODS, period_seconds
from pipelines.campaigns.keys import SPAN_FORM, ChannelName, Keys, Slug, text_schema

PERIOD_PATTERN = f"^({'|'.join(CALENDAR_PERIODS)}|{SPAN_FORM})$"


def _period(text: str) -> str:
    period_seconds(text)
    return text.strip()


Period = Annotated[str, AfterValidator(_period), text_schema(PERIOD_PATTERN, "7 days", *CALENDAR_PERIODS)]


class FrequencyCap(Keys):
    """The campaign is not sent to a customer who has had so many messages in the period already."""

    at_most: int = Field(
        ge=1, le=1_000, description="messages a customer may get in the period, this one included"
    )
    per: Period = Field(
        description="'7 days' back from now, or the recipient's local day, week (from Monday) or month"
    )
    channel: ChannelName | None = Field(
        default=None, description="count and limit this one of 'channels' only"
    )
    category: Slug | None = Field(
        default=None,
        description="count all campaigns of this category (the campaign's own); without it, this campaign alone",
    )


class RampStep(Keys):
    """A slower rate at the beginning of a run."""

    minutes: int = Field(ge=1, le=10_080, description="how long it lasts")
    per_minute: int = Field(ge=1, le=10_000_000, description="messages a minute while it lasts")


class Rate(Keys):
    """How fast a campaign's messages are handed to the senders, over all its channels."""

    per_minute: int = Field(ge=1, le=10_000_000, description="messages a minute")
    ramp: tuple[RampStep, ...] = Field(
        default=(),
        strict=False,
        max_length=50,
        description="steps before the full rate, for scheduled campaigns",
    )

    @model_validator(mode="after")
    def _rises(self) -> Rate:
        rates = [*(step.per_minute for step in self.ramp), self.per_minute]
        if rates != sorted(rates):
            raise ValueError("a ramp rises: no step may be faster than the next one or than 'per_minute'")
        return self


class Holdout(Keys):
    """A share of the customers who do not get the campaign, so that its effect can be measured."""

    percent: float = Field(ge=0.01, le=99.99, description="share of customers, to a hundredth of a percent")


class Fuse(Keys):
    """When so many messages fail, the campaign is paused."""

    percent: float = Field(
        default=20, gt=0, le=100, description="more failed messages than this blow it; 100: never"
    )
    messages: int = Field(default=100, ge=1, le=1_000_000, description="it is not judged by fewer")
