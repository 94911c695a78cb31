"""Rules that hold for every campaign, whatever its own file says.

Invariant: the rules of the house only ever take away; a campaign cannot lift them. Transactional campaigns are exempt:
somebody who ordered at midnight wants the confirmation at midnight.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from conf.base import Section
from conf.spans import minute_of_day, period_seconds


class HouseCap(Section):
    """No customer gets more than so many messages in any such period, over all campaigns."""

    at_most: int = Field(ge=1, le=1_000)
    per: str  # a length of time such as '7 days', or day, week or month of the recipient's calendar
    channel: Literal["email", "sms", "push"] | None = None
    category: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,62}$")

    @field_validator("per")
    @classmethod
    def _check_period(cls, per: str) -> str:
        period_seconds(per)
        return per


class Decide(Section):
    """The rules of the house."""

    # Local times of the recipient, such as "22:00" and "08:00"; both or neither.
    quiet_from: str | None = None
    quiet_to: str | None = None
    quiet_otherwise: Literal["hold", "exclude"] = "hold"
    frequency_caps: tuple[HouseCap, ...] = ()
    # Customers whom no campaign reaches, so that what all campaigns do together can be measured.
    holdout_percent: float = Field(default=0.0, ge=0.0, le=99.99)
    # Another seed holds out other customers.
    holdout_seed: str = Field(default="1", min_length=1, max_length=64)

    @field_validator("quiet_from", "quiet_to", mode="before")
    @classmethod
    def _check_time(cls, text: object) -> object:
        if text is not None:
            minute_of_day(text)
        return text

    @model_validator(mode="after")
    def _both_or_neither(self) -> Decide:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("give both quiet_from and quiet_to, or neither")
        if self.quiet_from is not None and self.quiet_from == self.quiet_to:
            raise ValueError(
                "quiet_from and quiet_to are the same time: nothing could ever be sent, or always"
            )
        return self
