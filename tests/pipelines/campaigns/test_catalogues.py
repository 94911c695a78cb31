"""Slips of translators that must not reach a customer."""

from __future__ import annotations

import pytest

from pipelines.campaigns.catalogues import catalogue_problems

HEAD = 'msgid ""\nmsgstr ""\n"Plural-Forms: {};\\n"\n\n'
GERMAN = HEAD.format("nplurals=2; plural=(n != 1)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("garbage", "locales/de.po: line 1: not a gettext catalogue"),
        (HEAD.format("nplurals=2; plural=(n !! 1)"), "Plural-Forms: the rule '(n !! 1)' is not understood"),
        (HEAD.format("nplurals=2; plural=(n % 0)"), "Plural-Forms: the rule '(n % 0)' is not understood"),
        (HEAD.format("nplurals=1; plural=(n != 1)"), "Plural-Forms: the rule '(n != 1)' names form 1 of 1"),
        (
            GERMAN + 'msgid "Hi %(name)s"\nmsgstr "Hallo %(nmae)s"\n',
            "line 5: the translation uses '%(nmae)s'",
        ),
        (
            GERMAN + 'msgid "one"\nmsgid_plural "%(n)s"\nmsgstr[0] "eins"\nmsgstr[1] "%(m)s"\n',
            "uses '%(m)s'. allowed: %(n)s",
        ),
    ],
)
def test_refused(text: str, expected: str) -> None:
    (problem,) = catalogue_problems("de", text)
    assert expected in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GERMAN,
        GERMAN + 'msgid "Hi %(name)s"\nmsgstr "Hallo"\n',
        GERMAN + 'msgid "not yet"\nmsgstr ""\n',
        GERMAN + '#, fuzzy\nmsgid "Hi %(name)s"\nmsgstr "Hallo %(nmae)s"\n',
        GERMAN + 'msgid "one"\nmsgid_plural "%(n)s"\nmsgstr[0] "eins"\nmsgstr[1] "%(n)s"\n',
    ],
)
def test_accepted(text: str) -> None:
    assert list(catalogue_problems("de", text)) == []
