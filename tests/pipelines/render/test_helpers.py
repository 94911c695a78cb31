"""The helpers' results: locales, time zones, signed links, stable choices, translations."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from pipelines.links import CLICK, UNSUBSCRIBE, LinkClaim, read_url, signed_url
from pipelines.render import RenderContext, compile_template

KEY = b"0123456789abcdef0123456789abcdef"
CONTEXT = RenderContext(
    signing_key=KEY,
    track_base_url="https://t.example.org/c",
    unsubscribe_base_url="https://u.example.org/u",
    preferences_base_url="https://u.example.org/p?x=1",
)


def _rows(*locales: str | None, **more: Any) -> pa.RecordBatch:
    made = [
        {
            "customer": {"customer_id": f"c-{i}", "locale": locale, "time_zone": "Europe/Vienna"},
            "message": {"message_id": f"m-{i}", "channel": "email"},
            "campaign": {"topic": "marketing"},
            "at": dt.datetime(2024, 7, 1, 22, 30, tzinfo=dt.timezone.utc),
            **more,
        }
        for i, locale in enumerate(locales)
    ]
    return pa.RecordBatch.from_pylist(made)


def _render(
    source: str, batch: pa.RecordBatch, *, html: bool = False, context: RenderContext = CONTEXT
) -> list[Any]:
    both = [
        compile_template("t", {"t": source}, html=html, context=context, engine=engine).render(batch)
        for engine in ("compiled", "jinja2")
    ]
    assert both[0].text.to_pylist() == both[1].text.to_pylist()
    assert both[0].errors == both[1].errors
    texts: list[Any] = both[0].text.to_pylist()
    return texts


def test_money_and_numbers_follow_the_recipients_locale() -> None:
    batch = _rows("en", "de-AT", "ar_EG", None, "de_CH")
    assert _render("{{ 1234.5|money('EUR') }}", batch)[:2] == ["€1,234.50", "€\xa01.234,50"]
    assert _render("{{ 1234.5|money('EUR') }}", batch)[3] == "€1,234.50"
    assert "٫" in _render("{{ 1.5|number }}", batch)[2]
    assert _render("{{ 1234.5|number(2) }}", batch)[0] == "1,234.50"


def test_times_are_the_recipients() -> None:
    batch = _rows("en", "de-AT")
    assert _render("{{ at|date('yyyy-MM-dd') }} {{ at|time('HH:mm') }}", batch) == ["2024-07-02 00:30"] * 2
    assert _render("{{ at|datetime('d. MMMM, HH:mm') }}", batch)[1] == "2. Juli, 00:30"


def test_plural_forms() -> None:
    source = "{{ n|plural('many', one='one', few='few') }}"
    words = [_render(source, _rows("pl", n=n))[0] for n in (1, 2, 5, 22)]
    assert words == ["one", "few", "many", "few"]


def test_links_verify_and_cannot_be_bent() -> None:
    batch = _rows("en", "en")
    first, second = _render("{{ unsubscribe_url() }}", batch)
    claim = LinkClaim("m-0", "c-0", "email", "marketing")
    assert first == signed_url(CONTEXT.unsubscribe_base_url, KEY, claim, UNSUBSCRIBE)
    assert read_url(KEY, first) == claim
    assert read_url(KEY, first.replace("c-0", "c-1")) is None
    assert read_url(b"another key", first) is None
    assert first != second
    assert _render("{{ preferences_url() }}", batch)[0].startswith("https://u.example.org/p?x=1&m=m-0")
    assert _render('<a href="{{ unsubscribe_url() }}">', batch, html=True)[0].count("&amp;") == 4


def test_a_tracked_link_signs_its_target() -> None:
    (link,) = _render("{{ track('https://shop.example.org/a?b=c&d=é') }}", _rows("en"))
    target = parse_qs(urlsplit(link).query)["u"][0]
    assert target == "https://shop.example.org/a?b=c&d=é"
    assert read_url(KEY, link, f"{CLICK} {target}") is not None
    assert read_url(KEY, link, f"{CLICK} https://evil.example.org/") is None
    assert _render("{{ track('https://x.example.org') }}", _rows("en"), context=RenderContext()) == [
        "https://x.example.org"
    ]


def test_links_without_configuration_fail_the_row() -> None:
    template = compile_template("t", {"t": "{{ unsubscribe_url() }}"}, html=False)
    (error,) = template.render(_rows("en")).errors
    assert (error.kind, error.line) == ("value", 1)
    assert "signing key" in error.message


def test_choices_are_stable_and_spread() -> None:
    batch = _rows(*["en"] * 300)
    first = _render("{{ pick(['a', 'b', 'c']) }} {{ bucket(10) }}", batch)
    assert first == _render("{{ pick(['a', 'b', 'c']) }} {{ bucket(10) }}", batch)
    assert {t[0] for t in first} == {"a", "b", "c"}
    assert {t[2] for t in first} == set("0123456789")
    assert _render("{{ bucket(10, 'other') }}", batch) != [t[2] for t in first]


@pytest.mark.parametrize("source", ["{{ 'x'|money('EUR') }}", "{{ n|date }}", "{{ n|plural }}"])
def test_wrong_types_fail_the_row(source: str) -> None:
    assert _render(source, _rows("en", n=1)) == [None]


POLISH = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\\n"

msgid "Hello %(name)s"
msgstr "Cześć %(name)s"

msgid "%(count)s order"
msgid_plural "%(count)s orders"
msgstr[0] "%(count)s zamówienie"
msgstr[1] "%(count)s zamówienia"
msgstr[2] "%(count)s zamówień"
"""
GERMAN = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Hello %(name)s"
msgstr "Hallo <b>%(name)s</b>, 100%%"
"""


@pytest.mark.parametrize("html", [False, True])
def test_translations_by_the_rows_locale(html: bool) -> None:
    context = RenderContext(catalogues={"pl": POLISH, "de": GERMAN})
    source = (
        "{% trans name=who %}Hello {{ name }}{% endtrans %}: "
        "{% trans count=n %}{{ count }} order{% pluralize %}{{ count }} orders{% endtrans %}"
    )
    batch = pa.RecordBatch.from_pylist(
        [
            {"customer": {"locale": locale}, "who": "<A>", "n": n}
            for locale, n in [("pl", 1), ("pl-PL", 2), ("pl", 5), ("de-AT", 2), ("fr", 1), (None, 3)]
        ]
    )
    who = "&lt;A&gt;" if html else "<A>"
    assert _render(source, batch, html=html, context=context) == [
        f"Cześć {who}: 1 zamówienie",
        f"Cześć {who}: 2 zamówienia",
        f"Cześć {who}: 5 zamówień",
        f"Hallo <b>{who}</b>, 100%: 2 orders",
        f"Hello {who}: 1 order",
        f"Hello {who}: 3 orders",
    ]
    template = compile_template("t", {"t": source}, html=html, context=context, schema=batch.schema)
    assert template.coverage.share == 1.0


def test_the_key_is_in_no_repr() -> None:
    assert KEY.decode() not in repr(CONTEXT)
