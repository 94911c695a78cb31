"""What fires a triggered campaign, and what becomes of a trigger: waiting, cancelled, repeated, too late.

Invariant: a rule that needs a property of the trigger names one that the campaign declares; `CampaignSpec` checks it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from conf.spans import is_span, span_seconds
from pipelines.campaigns.keys import (
    FIELD_PATTERN,
    SPAN_FORM,
    EventType,
    FieldName,
    Keys,
    Predicate,
    Span,
    text_schema,
)
from pipelines.campaigns.timing import Delay, parse_delay

EVER = "ever"
ONCE_PER_PATTERN = f"^{SPAN_FORM}$|{FIELD_PATTERN}"


class CancelRule(Keys):
    """A customer event that drops the same customer's waiting message."""

    event: EventType = Field(description="the type of the cancelling event")
    when: Predicate | None = Field(
        default=None,
        description="Spark SQL over the cancelling event's properties, under the names and types of 'data'",
    )
    match: FieldName | None = Field(
        default=None,
        description="a declared property that must be equal in the trigger and in the cancelling event",
    )


class Reentry(Keys):
    """How often the same customer may get the campaign: `once`, or once per length of time or per property."""

    once_per: Annotated[str, text_schema(ONCE_PER_PATTERN, "7 days", "order_id")] = Field(
        description="a length of time, such as '7 days', or a declared property"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            if given != "once":
                raise ValueError(
                    f"'{given}'; write 'once', or {{once_per: '7 days'}}, or {{once_per: order_id}}"
                )
            return {"once_per": EVER}
        return given

    @model_validator(mode="after")
    def _can_be_read(self) -> Reentry:
        if self.seconds is None and not re.fullmatch(FIELD_PATTERN, self.once_per):
            raise ValueError(
                f"'{self.once_per}' is neither a length of time, such as '7 days', nor a property's name"
            )
        return self

    @property
    def seconds(self) -> int | None:
        """The window of a rule per length of time."""
        return span_seconds(self.once_per) if is_span(self.once_per) else None

    @property
    def declared_property(self) -> str | None:
        """The property of a rule per property."""
        return None if self.once_per == EVER or self.seconds is not None else self.once_per

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        mapping = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"const": "once"}, mapping], "description": mapping.pop("description", "")}


class TriggerRule(Keys):
    """What fires a triggered campaign: an explicit trigger naming it, or a customer event of one type."""

    explicit: bool = Field(default=False, description="fired by records on the topic campaign.triggers")
    event: EventType | None = Field(default=None, description="the type of the customer event")
    when: Predicate | None = Field(default=None, description="Spark SQL over the event's declared properties")
    delay: Delay | None = Field(
        default=None, description="'2 days', '90 minutes', 'until 09:00 local' or 'next tuesday 10:00 local'"
    )
    cancel_on: tuple[CancelRule, ...] = Field(
        default=(), strict=False, description="events that drop a message that is still waiting"
    )
    reentry: Reentry | None = Field(
        default=None, description="how often a customer may get it: once, or once per time or property"
    )
    expires_after: Span | None = Field(
        default=None, description="later than this after the trigger it is not sent any more"
    )

    @model_validator(mode="after")
    def _one_source(self) -> TriggerRule:
        if self.explicit == (self.event is not None):
            raise ValueError("name exactly one source: 'explicit: true', or 'event: <type>'")
        if self.explicit and self.when is not None:
            raise ValueError(
                "'when' needs 'event': an explicit trigger has already been decided by its producer"
            )
        return self

    @model_validator(mode="after")
    def _can_be_in_time(self) -> TriggerRule:
        if self.delay is None or self.expires_after is None:
            return self
        delay, expiry = parse_delay(self.delay).seconds, span_seconds(self.expires_after)
        if delay is not None and expiry <= delay:
            raise ValueError(
                f"'expires_after' ({self.expires_after}) is not longer than 'delay' ({self.delay}): every message "
                "would have expired when it falls due"
            )
        return self

    def properties_needed(self) -> list[tuple[str, str]]:
        """(key path below `trigger`, property) of each rule that reads a declared property."""
        needed = [
            (f"cancel_on[{n}].match", rule.match) for n, rule in enumerate(self.cancel_on) if rule.match
        ]
        if self.reentry is not None and self.reentry.declared_property is not None:
            needed.append(("reentry.once_per", self.reentry.declared_property))
        return needed
