"""`{% trans %}`: text from gettext catalogues, for the locale of each row.

Invariant: both engines use the same catalogues and the same choice of locale; a locale without a
catalogue falls back from `de-AT` to `de` and then to the text as written. Does not read files:
catalogues are text.
"""

from __future__ import annotations

import gettext as stdlib
import io
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from babel.messages.pofile import read_po
from jinja2 import nodes

from pipelines.render.helpers import HELPERS
from pipelines.render.ir import Expr, If
from pipelines.render.lowering import Lowering
from pipelines.render.sandbox import AMBIENT, ReferenceEnvironment
from pipelines.render.scope import UnvectorisedError
from pipelines.render.types import INT, STR

NAMES = frozenset({"gettext", "ngettext", "_"})
# What reads the recipient's locale, time zone or ids besides its arguments.
READ_THE_ROW = NAMES | frozenset(helper.name for helper in HELPERS)
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|(%))")


class Catalogue:
    """The messages of one locale."""

    def __init__(self, locale: str, text: str) -> None:
        self.locale = locale
        self._text = text

    @cached_property
    def _held(self) -> tuple[dict[Any, Any], Callable[[int], int]]:
        catalogue = read_po(io.BytesIO(self._text.encode()), locale=self.locale.replace("-", "_"))
        messages = {
            m.id if isinstance(m.id, str) else m.id[0]: m.string for m in catalogue if m.id and not m.fuzzy
        }
        return messages, stdlib.c2py(catalogue.plural_expr)

    def single(self, text: str) -> str:
        """The translation of a text, or the text."""
        found = self._held[0].get(text)
        return (found[0] if isinstance(found, tuple) else found) or text

    def forms(self, singular: str) -> tuple[str, ...]:
        """The plural forms in the catalogue's order, or none when it has no translation."""
        found = self._held[0].get(singular)
        return found if isinstance(found, tuple) and all(found) else ()

    def form_of(self, number: Any) -> int:
        """Which plural form a number takes."""
        return self._held[1](number)


class Catalogues:
    """All catalogues of a template, by locale."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._by_locale = {
            locale.replace("_", "-"): Catalogue(locale, text) for locale, text in texts.items()
        }

    @property
    def locales(self) -> tuple[str, ...]:
        return tuple(self._by_locale)

    def nearest(self, locale: Any) -> str:
        """The locale whose catalogue serves, or the empty string."""
        wanted = str(locale).replace("_", "-")
        while wanted:
            if wanted in self._by_locale:
                return wanted
            wanted = wanted.rpartition("-")[0]
        return ""

    def of(self, locale: str) -> Catalogue:
        return self._by_locale[locale]

    def single(self, locale: str, text: str) -> str:
        """The translation of a text for a locale of `nearest`."""
        return self._by_locale[locale].single(text) if locale else text

    def plural(self, locale: str, singular: str, plural: str, number: Any) -> str:
        """The plural form for a number in a locale of `nearest`."""
        forms = self._by_locale[locale].forms(singular) if locale else ()
        if not forms:
            return singular if number == 1 else plural
        at = self._by_locale[locale].form_of(number)
        return forms[at] if at < len(forms) else forms[-1]


def install(environment: ReferenceEnvironment, catalogues: Catalogues) -> None:
    """Makes `{% trans %}` of the reference engine use the catalogues."""
    environment.catalogues = catalogues

    def locale() -> str:
        return catalogues.nearest((AMBIENT.row or {}).get("locale") or "")

    def single(text: str) -> str:
        return catalogues.single(locale(), text)

    def plural(one: str, many: str, number: Any) -> str:
        return catalogues.plural(locale(), one, many, number)

    environment.install_gettext_callables(single, plural, newstyle=True)  # type: ignore[attr-defined]  # by the extension


def lower_translation(lw: Lowering, node: nodes.Call) -> bool:
    """Emits one branch for each catalogue, and in it the translation with its variables."""
    from pipelines.render.expressions import lower
    from pipelines.render.helpercalls import locale_of  # the passes refer to each other

    assert isinstance(node.node, nodes.Name)
    count = 2 if node.node.name == "ngettext" else 1
    if len(node.args) < count or node.dyn_args is not None or node.dyn_kwargs is not None:
        return False
    texts = [lw.literal(a, "the text") for a in node.args[:count]]
    variables = {pair.key: lower(lw, pair.value) for pair in node.kwargs}
    number = lower(lw, node.args[2]) if count == 2 else None
    if number is not None and number.type.kind != "int":
        raise UnvectorisedError("a plural by something that is no integer", node.lineno)
    if count == 2:
        assert number is not None
        variables.setdefault("num", number)
    catalogues: Catalogues = lw.environment.catalogues
    emit = _Emitter(lw, node, texts, variables, number)
    if not catalogues.locales:
        emit.translated("")
        return True
    locale = locale_of(lw)
    if locale.is_constant:
        emit.translated(catalogues.nearest(locale.value))
        return True
    nearest = lw.make("distinct", (locale,), STR, catalogues.nearest)
    emit.by_locale(nearest, list(catalogues.locales))
    return True


class _Emitter:
    """Emits one translated text."""

    def __init__(
        self,
        lw: Lowering,
        node: nodes.Call,
        texts: list[str],
        variables: dict[str, Expr],
        number: Expr | None,
    ) -> None:
        self.lw = lw
        self.node = node
        self.texts = texts
        self.variables = variables
        self.number = number

    def by_locale(self, nearest: Expr, locales: list[str]) -> None:
        if not locales:
            self.translated("")
            return
        test = self.lw.test("equal", (nearest, self.lw.constant(locales[0])))
        with self.lw.within() as then:
            self.translated(locales[0])
        with self.lw.within() as otherwise:
            self.by_locale(nearest, locales[1:])
        self.lw.emit(If(test, then, otherwise))

    def translated(self, locale: str) -> None:
        catalogues: Catalogues = self.lw.environment.catalogues
        if self.number is None:
            self.filled(catalogues.single(locale, self.texts[0]))
            return
        forms = catalogues.of(locale).forms(self.texts[0]) if locale else ()
        if forms:
            form = self.lw.make("distinct", (self.number,), INT, catalogues.of(locale).form_of)
            self.by_form(form, 0, forms)
        else:
            self.by_form(self.number, 1, (self.texts[1], self.texts[0], self.texts[1]))

    def by_form(self, form: Expr, at: int, forms: tuple[str, ...]) -> None:
        if at == len(forms) - 1:
            self.filled(forms[at])
            return
        test = self.lw.test("equal", (form, self.lw.constant(at)))
        with self.lw.within() as then:
            self.filled(forms[at])
        with self.lw.within() as otherwise:
            self.by_form(form, at + 1, forms)
        self.lw.emit(If(test, then, otherwise))

    def filled(self, text: str) -> None:
        """The text with its placeholders as outputs. `%` alone would be a failure in Jinja2."""
        from pipelines.render.expressions import as_text

        at = 0
        for found in _PLACEHOLDER.finditer(text):
            self._static(text[at : found.start()])
            at = found.end()
            if found[2]:
                self.lw.emit_text("%")
                continue
            variable = self.variables.get(found[1])
            if variable is None:
                raise UnvectorisedError(f"the placeholder {found[1]!r} without a value", self.node.lineno)
            self.lw.emit_out(as_text(self.lw, variable, self.node), self.node)
        self._static(text[at:])

    def _static(self, text: str) -> None:
        if "%" in text:
            raise UnvectorisedError("a % that is no placeholder in a translation", self.node.lineno)
        self.lw.emit_text(text)
