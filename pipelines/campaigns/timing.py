"""When a campaign's messages may leave: its delay, its quiet hours and its send window, as declared.

Invariant: what validates has exactly one meaning on the recipient's clock. What that means for an instant is decided in
`pipelines.decide`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from conf.spans import is_span, minute_of_day, span_seconds
from pipelines.campaigns.keys import SPAN_FORM, TIME_FORM, WEEKDAYS, Keys, TimeOfDay, Weekday, text_schema

Otherwise = Literal["hold", "exclude"]

_UNTIL = re.compile(r"until (\S+) local")
_NEXT = re.compile(r"next ([a-z]+) (\S+) local")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LOCAL_FORM = rf"\s*(until|next ({'|'.join(_LONG_DAYS)})) {TIME_FORM} local\s*"
DELAY_PATTERN = f"^({SPAN_FORM}|{_LOCAL_FORM})$"


@dataclass(frozen=True, slots=True)
class DelayRule:
    """`span`: so many seconds after the trigger. `time`: the next local minute of the day. `weekday`: the next such
    minute on that day (0 is Monday). The next one is the first that is not before the trigger's own time."""

    kind: Literal["span", "time", "weekday"]
    seconds: int | None = None
    minute: int | None = None
    weekday: int | None = None


def parse_delay(text: str) -> DelayRule:
    """The meaning of a delay; raises ValueError."""
    if is_span(text):
        return DelayRule("span", seconds=span_seconds(text))
    if until := _UNTIL.fullmatch(text):
        return DelayRule("time", minute=minute_of_day(until.group(1)))
    if following := _NEXT.fullmatch(text):
        if following.group(1) not in _LONG_DAYS:
            raise ValueError(f"'{following.group(1)}' is no day; days: {', '.join(_LONG_DAYS)}")
        day = _LONG_DAYS.index(following.group(1))
        return DelayRule("weekday", minute=minute_of_day(following.group(2)), weekday=day)
    raise ValueError(
        f"'{text}' is no delay; write a length of time ('2 days', '90 minutes'), 'until 09:00 local', or "
        "'next tuesday 10:00 local'"
    )


def _delay(text: str) -> str:
    parse_delay(text.strip())
    return text.strip()


Delay = Annotated[
    str,
    AfterValidator(_delay),
    text_schema(DELAY_PATTERN, "2 days", "until 09:00 local", "next tuesday 10:00 local"),
]


class QuietHours(Keys):
    """The hours of the recipient's day in which nothing is sent; they may go over midnight."""

    start: TimeOfDay = Field(alias="from", description="local time at which they begin")
    end: TimeOfDay = Field(alias="to", description="local time at which they are over")
    otherwise: Otherwise = Field(default="hold", description="hold until they are over, or exclude")

    @model_validator(mode="after")
    def _differ(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("'from' and 'to' are the same time: nothing could ever be sent, or always")
        return self


class SendWindow(Keys):
    """The hours and days of the recipient's week in which alone messages are sent."""

    days: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1, strict=False, description="local days")
    start: TimeOfDay | None = Field(default=None, alias="from", description="local time at which it opens")
    end: TimeOfDay | None = Field(
        default=None,
        alias="to",
        description="local time at which it closes; before 'from': on the next day",
    )
    otherwise: Otherwise = Field(default="hold", description="hold until it opens, or exclude")

    @model_validator(mode="after")
    def _is_a_window(self) -> SendWindow:
        if (self.start is None) != (self.end is None):
            raise ValueError("give both 'from' and 'to', or neither for whole days")
        if self.start is not None and self.start == self.end:
            raise ValueError("'from' and 'to' are the same time; leave both out for whole days")
        if len(set(self.days)) != len(self.days):
            raise ValueError("a day is named twice")
        return self
