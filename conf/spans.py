"""Lengths of time, times of day and counting periods as people write them: '90 minutes', '08:30', 'week'.

Invariant: a text means one number of seconds or minutes, or it is refused with what is allowed. A day is 24 hours
here; what follows the calendar is said with a time of day instead.
"""

from __future__ import annotations

import re
from typing import Literal

SPAN_SECONDS_MAX = 366 * 86_400

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_SPAN = re.compile(r"([1-9][0-9]{0,8}) (second|minute|hour|day|week)s?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")

#: Periods that follow the recipient's calendar.
CalendarPeriod = Literal["day", "week", "month"]
CALENDAR_PERIODS: tuple[CalendarPeriod, ...] = ("day", "week", "month")


def span_seconds(text: str) -> int:
    """The seconds in a length of time such as '2 days'; raises ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"'{text}' is no length of time; write a whole number and a unit, such as '90 minutes' or '2 days' "
            f"(units: {', '.join(_SECONDS)})"
        )
    seconds = int(found.group(1)) * _SECONDS[found.group(2)]
    if seconds > SPAN_SECONDS_MAX:
        raise ValueError(f"'{text}' is longer than 366 days")
    return seconds


def is_span(text: str) -> bool:
    """Whether the text has the form of a length of time."""
    return _SPAN.fullmatch(text.strip()) is not None


def minute_of_day(text: object) -> int:
    """The minute of the day of a time such as '08:30', 0 to 1439; raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text < 1_440:
        hint = f'{text // 60:02d}:{text % 60:02d}"'
        raise ValueError(f'{text} is a number (YAML reads a bare 22:00 as one); write it in quotes: "{hint}')
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            f'\'{text}\' is no time of day; write hours and minutes in quotes, "00:00" to "23:59"'
        )
    return int(found.group(1)) * 60 + int(found.group(2))


def period_seconds(text: str) -> int | None:
    """The seconds of a counting period; None for one of the calendar (day, week, month). Raises ValueError."""
    if text in CALENDAR_PERIODS:
        return None
    try:
        return span_seconds(text)
    except ValueError as error:
        periods = ", ".join(f"'{period}'" for period in CALENDAR_PERIODS)
        raise ValueError(f"{error}; or a period of the recipient's calendar: {periods}") from None
