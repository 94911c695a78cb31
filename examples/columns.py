"""The columns of the synthetic audience, each made for a whole block of customers at once.

Invariant: a column's values depend on the draws given and nothing else. No input, no output.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from examples import people
from examples.draws import Draws

Ints = npt.NDArray[np.int64]

AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""The extract's own day: sign-ups and orders lie before it."""
CONSENT = pa.struct([("channel", pa.string()), ("topic", pa.string()), ("granted", pa.bool_())])
ORDER = pa.struct(
    [("order_id", pa.string()), ("total", pa.float64()), ("currency", pa.string()), ("item", pa.string()),
     ("ordered_at", pa.timestamp("us", "UTC"))]
)  # fmt: skip
CHANNELS = ("email", "sms", "push")
_EVERYTHING = tuple((channel, topic) for channel in CHANNELS for topic in people.CONSENT_TOPICS)
# What customers agreed to, and how often in a thousand. None is a customer the consent system does not know.
_CONSENT_PATTERNS: tuple[tuple[int, tuple[tuple[str, str], ...] | None], ...] = (
    (800, _EVERYTHING),
    (50, tuple(pair for pair in _EVERYTHING if pair != ("email", "marketing"))),
    (40, tuple(pair for pair in _EVERYTHING if pair[1] != "marketing")),
    (35, tuple(pair for pair in _EVERYTHING if pair[0] != "sms")),
    (25, tuple(pair for pair in _EVERYTHING if pair[0] == "email")),
    (20, tuple(pair for pair in _EVERYTHING if pair[1] == "transactional")),
    (10, ()),
    (20, None),
)


def pick(values: Sequence[str | None], index: Ints) -> pa.Array:
    """The value at each index."""
    return pa.array(values, pa.string()).take(pa.array(index))


def some(values: pa.Array, missing: npt.NDArray[np.bool_]) -> pa.Array:
    """`values` with a null wherever `missing` is true."""
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)


def emails(draws: Draws, padded: pa.Array) -> pa.Array:
    """Addresses: unique, now and then shouted, tagged, wrong or missing."""
    local = pick(people.ASCII_LOCAL_PARTS, draws.below("local part", len(people.ASCII_LOCAL_PARTS)))
    tag = pick([".", "+", "_", "-"], draws.weighted("tag", (70, 15, 10, 5)))
    domain = pick(people.MAIL_DOMAINS, draws.weighted("domain", (45, 35, 12, 8)))
    addresses = pc.binary_join_element_wise(local, tag, padded, "@", "").cast(pa.string())
    addresses = pc.binary_join_element_wise(addresses, domain, "")
    addresses = pc.if_else(pa.array(draws.chance("shouted", 0.01)), pc.utf8_upper(addresses), addresses)
    invalid = pick(people.INVALID_EMAILS, draws.below("invalid email", len(people.INVALID_EMAILS)))
    addresses = pc.if_else(pa.array(draws.chance("email is invalid", 0.01)), invalid, addresses)
    return some(addresses, draws.chance("no email", 0.04))


def phones(draws: Draws) -> pa.Array:
    """E.164 numbers of the fictional range; not unique: it holds a hundred for each area code."""
    area = pick([str(code) for code in people.AREA_CODES], draws.below("area", len(people.AREA_CODES)))
    line = pick([f"{number:02d}" for number in range(100)], draws.below("line", 100))
    phones = pc.binary_join_element_wise("+1", area, "55501", line, "")
    invalid = pick(people.INVALID_PHONES, draws.below("invalid phone", len(people.INVALID_PHONES)))
    phones = pc.if_else(pa.array(draws.chance("phone is invalid", 0.01)), invalid, phones)
    return some(phones, draws.chance("no phone", 0.3))


def _by_locale(pools: Sequence[Sequence[str]], locale_index: Ints, bits: npt.NDArray[np.uint64]) -> pa.Array:
    """One value for each row from the pool of its locale."""
    sizes = np.array([len(pool) for pool in pools])
    starts = np.cumsum(sizes) - sizes
    flat = [value for pool in pools for value in pool]
    within = (bits % sizes[locale_index].astype(np.uint64)).astype(np.int64)
    return pick(flat, starts[locale_index] + within)


def names(draws: Draws, locale_index: Ints) -> dict[str, pa.Array]:
    """First and last names, two in a hundred of them hard."""
    columns: dict[str, pa.Array] = {}
    for column, pools, hard in (
        ("first_name", [locale.first_names for locale in people.LOCALES], people.HARD_FIRST_NAMES),
        ("last_name", [locale.last_names for locale in people.LOCALES], people.HARD_LAST_NAMES),
    ):
        names = _by_locale(pools, locale_index, draws.bits(column))
        odd = pick(hard, draws.below(f"hard {column}", len(hard)))
        names = pc.if_else(pa.array(draws.chance(f"{column} is hard", 0.02)), odd, names)
        columns[column] = some(names, draws.chance(f"no {column}", 0.03))
    return columns


def places(draws: Draws, locale_index: Ints) -> dict[str, pa.Array]:
    """Locale, time zone and country, which mostly agree."""
    locales = pick([locale.locale for locale in people.LOCALES], locale_index)
    zones = _by_locale(
        [locale.time_zones for locale in people.LOCALES], locale_index, draws.bits("time zone")
    )
    countries = pick([locale.country for locale in people.LOCALES], locale_index)
    return {
        "locale": some(locales, draws.chance("no locale", 0.02)),
        "time_zone": some(zones, draws.chance("no time zone", 0.02)),
        "country": some(countries, draws.chance("no country", 0.01)),
    }


def birth_dates(draws: Draws) -> pa.Array:
    """Ages from 14 to about 94 on AS_OF, leap days included."""
    youngest = (AS_OF - datetime(1970, 1, 1, tzinfo=timezone.utc)).days - 14 * 365
    return pa.array((youngest - draws.below("birth date", 80 * 365)).astype(np.int32), pa.date32())


def times(before: datetime, seconds_ago: Ints) -> pa.Array:
    """Instants before `before`."""
    newest = int((before - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(microseconds=1))
    return pa.array(newest - seconds_ago * 1_000_000, pa.timestamp("us", "UTC"))


def money(draws: Draws) -> pa.Array:
    """Cents as decimal(12, 2), from their 128-bit words: a million Python Decimals take seconds."""
    cents = draws.below("lifetime value", 500_000_00)
    cents = np.where(draws.chance("never bought", 0.2), 0, cents)
    words = np.zeros((len(cents), 2), dtype="<i8")
    words[:, 0] = cents
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words.tobytes())])


def segments(draws: Draws) -> pa.Array:
    """Lists of segment names."""
    patterns = [
        None if mask == 0 else [name for bit, name in enumerate(people.SEGMENTS) if mask & (1 << bit)]
        for mask in range(1 << len(people.SEGMENTS))
    ]
    # The intersection of two draws keeps the lists short: 6 segments, each with a chance of a quarter.
    masks = draws.below("segments 1", len(patterns)) & draws.below("segments 2", len(patterns))
    return pa.array(patterns, pa.list_(pa.string())).take(pa.array(masks))


def consents(draws: Draws) -> pa.Array:
    """What each customer said for every channel and topic."""
    patterns = [
        None
        if granted is None
        else [{"channel": pair[0], "topic": pair[1], "granted": pair in granted} for pair in _EVERYTHING]
        for _, granted in _CONSENT_PATTERNS
    ]
    index = draws.weighted("consents", tuple(weight for weight, _ in _CONSENT_PATTERNS))
    return pa.array(patterns, pa.list_(CONSENT)).take(pa.array(index))


def recent_orders(draws: Draws, locale_index: Ints) -> pa.Array:
    """None to five orders a customer, in the money of the customer's country, the latest first."""
    counts = draws.weighted("orders", (25, 25, 20, 12, 10, 8))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    owners = np.repeat(np.arange(len(counts)), counts)
    ranks = np.arange(int(offsets[-1])) - offsets[owners]
    # Six ids a customer: order r of customer n is number 6 n + r, in whatever block it is made.
    numbers = draws.rows[owners] * np.uint64(6) + ranks.astype(np.uint64)
    orders = Draws(draws.seed, numbers)
    currencies = pick([locale.currency for locale in people.LOCALES], locale_index[owners])
    fields = [
        pc.binary_join_element_wise("ord-", pa.array(numbers.astype(np.int64)).cast(pa.string()), ""),
        pa.array(orders.below("order total", 50_000) / 100.0),
        currencies,
        pick(people.ITEMS, orders.below("item", len(people.ITEMS))),
        times(AS_OF, ranks * 60 * 86_400 + orders.below("ordered", 60 * 86_400)),
    ]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(fields, fields=list(ORDER)))
