"""Checks translation catalogues before a translator's slip reaches a customer.

A catalogue that passes parses as gettext's `.po`, has a usable plural rule, and keeps the placeholders of
every text it translates. Whether all texts are translated is not asked: what is missing shows as written.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, read_po

from pipelines.campaigns.errors import Problem

_PLACEHOLDER = re.compile(r"%\((\w+)\)")


def catalogue_problems(locale: str, text: str) -> Iterator[Problem]:
    """What is wrong with one catalogue."""
    file = f"locales/{locale}.po"
    try:
        catalogue = read_po(io.BytesIO(text.encode("utf-8")), abort_invalid=True)
    except PoFileError as error:
        yield Problem(file, f"line {error.lineno + 1}", "not a gettext catalogue", "", str(error))
        return
    except (ValueError, LookupError) as error:
        yield Problem(file, "", "not a gettext catalogue", "", str(error))
        return
    yield from _plural_problems(file, catalogue)
    for message in catalogue:
        if message.id and not message.fuzzy:
            yield from _placeholder_problems(file, message)


def _plural_problems(file: str, catalogue: Catalog) -> Iterator[Problem]:
    rule = catalogue.plural_expr
    try:
        chosen = {gettext.c2py(rule)(number) for number in range(200)}
    except (ValueError, ZeroDivisionError):
        yield Problem(file, "Plural-Forms", f"the rule '{rule}' is not understood", "", _PLURAL_FIX)
        return
    if max(chosen) >= catalogue.num_plurals:
        found = f"the rule '{rule}' names form {max(chosen)} of {catalogue.num_plurals}"
        yield Problem(file, "Plural-Forms", found, "", _PLURAL_FIX)


_PLURAL_FIX = "Copy the language's rule from the GNU gettext manual"


def _placeholder_problems(file: str, message: Message) -> Iterator[Problem]:
    sources = [message.id] if isinstance(message.id, str) else list(message.id)
    texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
    known = {name for source in sources for name in _PLACEHOLDER.findall(source)}
    for text in texts:
        for name in sorted(set(_PLACEHOLDER.findall(text)) - known):
            allowed = ", ".join(f"%({one})s" for one in sorted(known)) or "none"
            place = f"line {message.lineno}" if message.lineno else ""
            yield Problem(
                file, place, f"the translation uses '%({name})s'", allowed, "Keep the source's names"
            )
