"""The field's helpers as pure functions: money, numbers, dates, plurals, links, stable choices.

Invariant: a result depends on the arguments only; locale, time zone and ids are arguments like the
others. A value that is missing raises, so that the row fails. Does not know how either engine calls
them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent
from jinja2 import Undefined

from pipelines.links import CLICK, PREFERENCES, UNSUBSCRIBE, LinkClaim, signed_url
from pipelines.render.settings import RenderContext


@lru_cache(maxsize=1024)
def locale_named(name: str) -> Locale:
    """A BCP 47 locale, or its nearest known parent, at last English."""
    wanted = name.replace("_", "-")
    while wanted:
        try:
            return Locale.parse(wanted, sep="-")
        except (UnknownLocaleError, ValueError):
            wanted = wanted.rpartition("-")[0]
    return Locale("en")


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """An IANA time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}") from None


def _number(value: Any, helper: str) -> Any:
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, decimal.Decimal)):
        raise TypeError(f"{helper} of {type(value).__name__}, which is no number")
    return value


def _text(value: Any, helper: str) -> str:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str):
        raise TypeError(f"{helper} needs text, not {type(value).__name__}")
    return str(value)


def money(value: Any, currency: Any, locale: str) -> str:
    """An amount with its currency: `{{ total|money("EUR") }}`."""
    code = _text(currency, "money")
    return str(
        format_currency(
            _number(value, "money"), code, locale=locale_named(locale), numbering_system="default"
        )
    )


def number(value: Any, digits: Any, locale: str) -> str:
    """A number with the locale's separators, with exactly `digits` decimals when given."""
    held = _number(value, "number")
    if digits is None:
        return str(format_decimal(held, locale=locale_named(locale), numbering_system="default"))
    if not isinstance(digits, int) or not 0 <= digits <= 12:
        raise ValueError("digits must be between 0 and 12")
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return str(format_decimal(held, pattern, locale=locale_named(locale), numbering_system="default"))


def percent(value: Any, locale: str) -> str:
    """A share as a percentage: 0.25 is 25 %."""
    return str(
        format_percent(_number(value, "percent"), locale=locale_named(locale), numbering_system="default")
    )


def compact(value: Any, locale: str) -> str:
    """A short form of a large number: 12K."""
    return str(
        format_compact_decimal(
            _number(value, "compact"), locale=locale_named(locale), numbering_system="default"
        )
    )


def _moment(value: Any, helper: str) -> dt.datetime:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, dt.datetime):
        raise TypeError(f"{helper} of {type(value).__name__}, which is no time")
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.timezone.utc)


def date(value: Any, pattern: Any, locale: str, time_zone: str) -> str:
    """A date in the recipient's locale; of a moment, the date in the recipient's time zone."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        day: dt.date = value
    else:
        day = _moment(value, "date").astimezone(zone_named(time_zone)).date()
    return str(format_date(day, _text(pattern, "date"), locale=locale_named(locale)))


def time(value: Any, pattern: Any, locale: str, time_zone: str) -> str:
    """The time of day in the recipient's locale and time zone."""
    moment = _moment(value, "time")
    return str(
        format_time(moment, _text(pattern, "time"), tzinfo=zone_named(time_zone), locale=locale_named(locale))
    )


def datetime(value: Any, pattern: Any, locale: str, time_zone: str) -> str:
    """A moment in the recipient's locale and time zone."""
    moment = _moment(value, "datetime")
    zone, form = zone_named(time_zone), _text(pattern, "datetime")
    return str(format_datetime(moment, form, tzinfo=zone, locale=locale_named(locale)))


def plural(value: Any, other: Any, one: Any, two: Any, few: Any, many: Any, zero: Any, locale: str) -> str:
    """The word for a number by the locale's plural rule: `{{ n|plural("items", one="item") }}`."""
    category = locale_named(locale).plural_form(_number(value, "plural"))
    words = {"zero": zero, "one": one, "two": two, "few": few, "many": many}
    chosen = words.get(category)
    return _text(other if chosen is None else chosen, "plural")


def _claim(helper: str, message_id: Any, customer_id: Any, channel: Any, topic: Any) -> LinkClaim:
    if message_id is None or customer_id is None:
        raise TypeError(f"{helper} needs message.message_id and customer.customer_id")
    return LinkClaim(str(message_id), str(customer_id), str(channel or ""), str(topic or ""))


def _link(helper: str, base: str, context: RenderContext, claim: LinkClaim, purpose: str) -> str:
    if not base or not context.signing_key:
        raise ValueError(f"{helper} needs its base URL and the signing key in the configuration")
    return signed_url(base, context.signing_key, claim, purpose)


def unsubscribe_url(
    context: RenderContext, message_id: Any, customer_id: Any, channel: Any, topic: Any
) -> str:
    """The signed link that ends this topic on this channel for this customer."""
    claim = _claim("unsubscribe_url", message_id, customer_id, channel, topic)
    return _link("unsubscribe_url", context.unsubscribe_base_url, context, claim, UNSUBSCRIBE)


def preferences_url(
    context: RenderContext, message_id: Any, customer_id: Any, channel: Any, topic: Any
) -> str:
    """The signed link to the customer's preferences."""
    claim = _claim("preferences_url", message_id, customer_id, channel, topic)
    return _link("preferences_url", context.preferences_base_url, context, claim, PREFERENCES)


def track(
    url: Any, context: RenderContext, message_id: Any, customer_id: Any, channel: Any, topic: Any
) -> str:
    """The link through the click counter, its target signed; without a counter, the target itself."""
    target = _text(url, "track")
    if not context.track_base_url:
        return target
    separator = "&" if "?" in context.track_base_url else "?"
    base = f"{context.track_base_url}{separator}u={quote(target, safe='')}"
    claim = _claim("track", message_id, customer_id, channel, topic)
    return _link("track", base, context, claim, f"{CLICK} {target}")


def bucket(size: Any, salt: Any, customer_id: Any) -> int:
    """A number from 0 to size - 1, the same for the same customer and salt."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError("bucket needs a positive integer")
    if customer_id is None:
        raise TypeError("bucket needs customer.customer_id")
    return _stable(f"{salt}\0{customer_id}") % size


def pick(choices: Any, salt: Any, message_id: Any) -> Any:
    """One of a list, the same for the same message and salt."""
    if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
        raise ValueError("pick needs a list that is not empty")
    if message_id is None:
        raise TypeError("pick needs message.message_id")
    return choices[_stable(f"{salt}\0{message_id}") % len(choices)]


def _stable(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
