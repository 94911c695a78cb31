"""How a text is billed as SMS: encoding and segments by GSM 03.38, over whole Arrow arrays.

160 septets fit one GSM-7 message and 153 each part of a longer one; 70 and 67 UTF-16 units with UCS-2. A
character of the extension table costs two septets, and neither it nor a surrogate pair is ever split between
parts. National shift tables are not used: no vendor can be counted on to use them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

GSM7, UCS2 = "GSM-7", "UCS-2"
GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67

#: 3GPP TS 23.038, table 6.2.1, without the escape itself.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Table 6.2.1.1: sent as escape and one more septet.
EXTENSION = "\f^{}\\[~]|€"

#: Typographic characters by what looks alike in GSM-7. A single one would more than halve a segment's room.
SIMPLER: Mapping[str, str] = {
    " ": "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f",
    "'": "\u2018\u2019\u201a\u201b",
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212",
    "...": "\u2026",
    "": "\u00ad\u200b\ufeff",
}

_BASIC_SET = "".join(map(re.escape, BASIC))
_EXTENSION_SET = "".join(map(re.escape, EXTENSION))
_IS_GSM7 = rf"\A[{_BASIC_SET}{_EXTENSION_SET}]*\z"


@dataclass(frozen=True)
class SmsCount:
    """Encoding, billed units (septets or UTF-16 units) and segments of each text; null for a null."""

    encoding: pa.Array
    units: pa.Array
    segments: pa.Array


def simplify(texts: pa.Array) -> pa.Array:
    """Texts that become GSM-7 by simpler punctuation and blanks, so simplified; all others as they are."""
    texts = texts.cast(pa.large_string())
    rest = pc.fill_null(pc.invert(pc.match_substring_regex(texts, _IS_GSM7)), False)
    if not pc.any(rest, min_count=0).as_py():
        return texts
    simpler = texts.filter(rest)
    for plain, fancy in SIMPLER.items():
        simpler = pc.replace_substring_regex(simpler, f"[{fancy}]", plain)
    helped = pc.match_substring_regex(simpler, _IS_GSM7)
    return pc.replace_with_mask(texts, rest, pc.if_else(helped, simpler, texts.filter(rest)))


def count_segments(texts: pa.Array) -> SmsCount:
    """Counts every text of the array."""
    texts = texts.cast(pa.large_string())
    is_gsm7 = pc.match_substring_regex(texts, _IS_GSM7)
    gsm7, ucs2 = (
        _count(texts, which, *rules)
        for which, rules in ((is_gsm7, _GSM7_RULES), (pc.invert(is_gsm7), _UCS2_RULES))
    )
    return SmsCount(
        encoding=pc.if_else(is_gsm7, pa.scalar(GSM7), pa.scalar(UCS2)),
        units=pc.if_else(is_gsm7, gsm7[0], ucs2[0]),
        segments=pc.if_else(is_gsm7, gsm7[1], ucs2[1]),
    )


_GSM7_RULES = (f"{_EXTENSION_SET}", GSM7_SINGLE, GSM7_PART)
_UCS2_RULES = (r"\x{10000}-\x{10FFFF}", UCS2_SINGLE, UCS2_PART)


def _count(
    texts: pa.Array, which: pa.BooleanArray, pairs: str, single: int, part: int
) -> tuple[pa.Array, pa.Array]:
    """Units and segments of the chosen texts, if characters in `pairs` take two units."""
    if not pc.any(which, min_count=0).as_py():
        return (pa.nulls(len(texts), pa.int32()),) * 2
    pair_count = pc.count_substring_regex(texts, f"[{pairs}]").cast(pa.int32())
    units = pc.add(pc.utf8_length(texts).cast(pa.int32()), pair_count)
    is_long = pc.greater(units, single)
    full = pc.divide(pc.add(units, part - 1), part).cast(pa.int32())
    segments = pc.if_else(is_long, full, pa.scalar(1, pa.int32()))
    # Only where a pair could fall across a cut does the place of each unit matter; few texts are such.
    placed = pc.fill_null(pc.and_(which, pc.and_(is_long, pc.greater(pair_count, 0))), False)
    if pc.any(placed, min_count=0).as_py():
        segments = pc.replace_with_mask(segments, placed, _cut(texts.filter(placed), pairs, part))
    return units, segments


def _cut(texts: pa.Array, pairs: str, part: int) -> pa.Array:
    """The number of greedy cuts of at most `part` units that never separate a pair."""
    # One letter a unit: `a` alone, `p` and `x` the halves of a pair.
    units = pc.replace_substring_regex(
        pc.replace_substring_regex(texts, f"[^{pairs}]", "a"), f"[{pairs}]", "px"
    )
    cut = f"[apx]{{{part - 1}}}[ax]|[apx]{{{part - 1}}}|[apx]+"
    return pc.count_substring_regex(units, cut).cast(pa.int32())
