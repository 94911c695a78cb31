"""The helpers in both engines: one entry each.

Invariant: both engines call the same pure function with the same arguments, so that they agree by
construction. The recipient's locale, time zone and ids come from the row, never from names that a
template sets. To add one: a pure function in `formats` and its line in `HELPERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from pipelines.render import formats
from pipelines.render.sandbox import AMBIENT, ReferenceEnvironment
from pipelines.render.settings import RenderContext
from pipelines.render.types import INT, STR, Type

REQUIRED = object()
_LINK = ("context", "message_id", "customer_id", "channel", "topic")


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper's name, its author-given arguments with defaults, and what it takes from the row."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[tuple[str, Any], ...]
    ambient: tuple[str, ...]
    is_filter: bool
    result: Type = STR
    # Results are kept for equal arguments; a link is different for each row.
    remembered: bool = True
    examples: tuple[str, ...] = field(default=())


HELPERS: tuple[Helper, ...] = (
    Helper(
        "money",
        formats.money,
        (("value", REQUIRED), ("currency", REQUIRED)),
        ("locale",),
        True,
        examples=("value|money('EUR')",),
    ),
    Helper(
        "number",
        formats.number,
        (("value", REQUIRED), ("digits", None)),
        ("locale",),
        True,
        examples=("value|number", "value|number(2)"),
    ),
    Helper(
        "percent", formats.percent, (("value", REQUIRED),), ("locale",), True, examples=("value|percent",)
    ),
    Helper(
        "compact", formats.compact, (("value", REQUIRED),), ("locale",), True, examples=("value|compact",)
    ),
    Helper(
        "date",
        formats.date,
        (("value", REQUIRED), ("format", "medium")),
        ("locale", "time_zone"),
        True,
        examples=("value|date", "value|date('full')", "value|date('EEEE d MMM')"),
    ),
    Helper(
        "time",
        formats.time,
        (("value", REQUIRED), ("format", "short")),
        ("locale", "time_zone"),
        True,
        examples=("value|time",),
    ),
    Helper(
        "datetime",
        formats.datetime,
        (("value", REQUIRED), ("format", "medium")),
        ("locale", "time_zone"),
        True,
        examples=("value|datetime('short')",),
    ),
    Helper(
        "plural",
        formats.plural,
        (
            ("value", REQUIRED),
            ("other", REQUIRED),
            ("one", None),
            ("two", None),
            ("few", None),
            ("many", None),
            ("zero", None),
        ),
        ("locale",),
        True,
        examples=("value|plural('items', one='item')",),
    ),
    Helper(
        "track",
        formats.track,
        (("url", REQUIRED),),
        _LINK,
        False,
        remembered=False,
        examples=("track('https://example.org/a?b=c')",),
    ),
    Helper(
        "unsubscribe_url",
        formats.unsubscribe_url,
        (),
        _LINK,
        False,
        remembered=False,
        examples=("unsubscribe_url()",),
    ),
    Helper(
        "preferences_url",
        formats.preferences_url,
        (),
        _LINK,
        False,
        remembered=False,
        examples=("preferences_url()",),
    ),
    Helper(
        "bucket",
        formats.bucket,
        (("size", REQUIRED), ("salt", "")),
        ("customer_id",),
        False,
        INT,
        examples=("bucket(10)", "bucket(3, 'b')"),
    ),
    Helper(
        "pick",
        formats.pick,
        (("choices", REQUIRED), ("salt", "")),
        ("message_id",),
        False,
        examples=("pick(['a', 'b', 'c'])",),
    ),
)

BY_NAME: Mapping[str, Helper] = {h.name: h for h in HELPERS}

# Where the row's own values come from, in order; the first that is not None counts.
SOURCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "locale": (("message", "locale"), ("customer", "locale")),
    "time_zone": (("customer", "time_zone"),),
    "message_id": (("message", "message_id"),),
    "customer_id": (("customer", "customer_id"),),
    "channel": (("message", "channel"),),
    "topic": (("campaign", "topic"),),
}

AMBIENT_NAMES = tuple(SOURCES)


def ambient_of_row(row: Mapping[str, Any], context: RenderContext) -> dict[str, Any]:
    """Locale, time zone and ids of a row."""
    out: dict[str, Any] = {"locale": context.locale, "time_zone": context.time_zone}
    for name, sources in SOURCES.items():
        out.setdefault(name, None)
        for column, member in sources:
            held = row.get(column)
            value = held.get(member) if isinstance(held, dict) else None
            if isinstance(value, str):
                out[name] = value
                break
    return out


def install(environment: ReferenceEnvironment, context: RenderContext) -> None:
    """Adds the helpers to the reference engine."""
    for helper in HELPERS:
        table = environment.filters if helper.is_filter else environment.globals
        table[helper.name] = _for_rows(helper, context)


def _for_rows(helper: Helper, context: RenderContext) -> Callable[..., Any]:
    names = [name for name, _ in helper.arguments]

    # Taking the context keeps Jinja2 from computing a constant's text while it compiles, for another row.
    @pass_context
    def called(_: Context, *args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names) or any(k not in names[len(args) :] for k in kwargs):
            raise TypeError(f"{helper.name} takes ({', '.join(names)})")
        given = dict(zip(names, args, strict=False)) | kwargs
        held = []
        for name, default in helper.arguments:
            if name not in given and default is REQUIRED:
                raise TypeError(f"{helper.name} needs {name}")
            held.append(given.get(name, default))
        row = AMBIENT.row or {}
        return helper.function(*held, *(context if a == "context" else row.get(a) for a in helper.ambient))

    return called
