"""Which translation a recipient gets: the requested locale, then its parents, then the campaign's default.

The row-wise and the vectorised form agree on every input, and always name one of the available locales or the
default. Nothing is guessed sideways: a request for `de` never yields `de-AT`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

LOCALE_PATTERN = r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?"
_LOCALE = re.compile(LOCALE_PATTERN)


def is_locale(text: str) -> bool:
    """Whether the text is a canonical BCP 47 tag of language, optional script and optional region."""
    return _LOCALE.fullmatch(text) is not None


def canonical_locale(text: str) -> str | None:
    """The canonical spelling of a locale written with other case or underscores; None when it is none."""
    spelled = []
    for place, part in enumerate(re.split(r"[-_]", text.strip())):
        spelled.append(part.lower() if place == 0 else part.title() if len(part) == 4 else part.upper())
    tag = "-".join(spelled)
    return tag if is_locale(tag) else None


def resolve_locale(requested: str | None, available: Collection[str], default: str) -> str:
    """The available locale for a request: `de_at` → `de-AT`, else `de`, else the default."""
    by_key = {_key(locale): locale for locale in available}
    key = _key(requested or "")
    while key:
        if key in by_key:
            return by_key[key]
        key = key.rpartition("-")[0]
    return default


def resolve_locales(requested: pa.Array, available: Collection[str], default: str) -> pa.DictionaryArray:
    """`resolve_locale` over an Arrow array of strings: one Python call per distinct locale, not per row."""
    encoded = requested if isinstance(requested, pa.DictionaryArray) else requested.dictionary_encode()
    names = sorted({*available, default})
    place = {name: index for index, name in enumerate(names)}
    resolved = [place[resolve_locale(name, available, default)] for name in encoded.dictionary.to_pylist()]
    by_code = pa.array([*resolved, place[default]], pa.int32())
    codes = pc.fill_null(encoded.indices.cast(pa.int32()), len(resolved))
    return pa.DictionaryArray.from_arrays(by_code.take(codes), pa.array(names, pa.string()))


def _key(locale: str) -> str:
    return locale.strip().replace("_", "-").lower()
