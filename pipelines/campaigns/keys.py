"""What the models behind `campaign.yaml` share: frozen and closed, and the texts that occur under several keys.

Invariant: an unknown key is refused wherever it stands, and a text that is kept has been read once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

from conf.spans import minute_of_day, span_seconds
from schemas.time_zones import known_time_zones

SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
FIELD_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
#: For editors alone, below; `conf.spans` reads the texts, and a test holds the two together.
SPAN_FORM = r"\s*[1-9][0-9]{0,8} (second|minute|hour|day|week)s?\s*"
TIME_FORM = r"([01][0-9]|2[0-3]):[0-5][0-9]"
TIME_PATTERN = f"^{TIME_FORM}$"


class Keys(BaseModel):
    """One mapping of `campaign.yaml`; a key may have another name in Python (`from` is a word of the language)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def text_schema(pattern: str, *examples: str) -> WithJsonSchema:
    """What an editor knows of a text that a parser reads; the parser's message is better than a pattern's."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


def _plain_predicate(text: str) -> str:
    if not text.strip():
        raise ValueError("the predicate is empty; leave the key out to match everything")
    if ";" in text or "--" in text or "/*" in text:
        raise ValueError("the predicate holds ';' or a comment; write one Spark SQL expression")
    return text.strip()


def _time_of_day(text: object) -> object:
    minute_of_day(text)
    return text


def _span(text: str) -> str:
    span_seconds(text)
    return text.strip()


def _known_zone(name: str) -> str:
    if name not in known_time_zones():
        from pipelines.campaigns.errors import closest

        by_case = {zone.lower(): zone for zone in known_time_zones()}
        zone = by_case.get(name.lower()) or by_case.get(closest(name, by_case) or "")
        hint = f"Did you mean '{zone}'?" if zone else "Write an IANA name, such as Europe/Vienna"
        raise ValueError(f"unknown time zone '{name}'. {hint}")
    return name


Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_PATTERN)]
ChannelName = Literal["email", "sms", "push"]
ConsentTopic = Literal["marketing", "reminders", "transactional"]
CONSENT_TOPICS: tuple[ConsentTopic, ...] = ("marketing", "reminders", "transactional")
EventType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")]
Predicate = Annotated[str, AfterValidator(_plain_predicate)]
#: A length of time, such as '2 days'.
Span = Annotated[str, AfterValidator(_span), text_schema(f"^{SPAN_FORM}$", "90 minutes", "2 days")]
#: A local time of day, such as '08:30'.
TimeOfDay = Annotated[
    str,
    BeforeValidator(_time_of_day),
    StringConstraints(pattern=TIME_PATTERN),
    text_schema(TIME_PATTERN, "08:30", "22:00"),
]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
