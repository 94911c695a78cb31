"""Locale fallback: requested, its parents, the default; row-wise and vectorised alike."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.campaigns import resolve_locale, resolve_locales
from pipelines.campaigns.locales import canonical_locale

AVAILABLE = ("de", "de-CH", "en", "pt-BR", "zh-Hant")


@pytest.mark.parametrize(
    ("requested", "resolved"),
    [
        ("de-AT", "de"),
        ("de-CH", "de-CH"),
        ("DE_ch", "de-CH"),
        ("de", "de"),
        ("pt", "en"),
        ("pt-PT", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hans", "en"),
        ("ja-JP", "en"),
        ("", "en"),
        (None, "en"),
        ("--", "en"),
        ("deutsch", "en"),
        (" de ", "de"),
    ],
)
def test_resolve(requested: str | None, resolved: str) -> None:
    assert resolve_locale(requested, AVAILABLE, "en") == resolved


@settings(deadline=None)  # the machine is shared
@given(
    st.lists(
        st.none() | st.sampled_from(["de-AT", "de_CH", "PT-br", "x", ""]) | st.text(max_size=6), max_size=20
    ),
    st.lists(st.sampled_from(AVAILABLE), unique=True),
)
def test_the_vectorised_form_agrees(requested: list[str | None], available: list[str]) -> None:
    resolved = resolve_locales(pa.array(requested, pa.string()), available, "en")
    assert resolved.to_pylist() == [resolve_locale(one, available, "en") for one in requested]


def test_slices_and_dictionaries_are_taken_as_they_come() -> None:
    requested = pa.array(["x", "de-AT", None, "en"]).dictionary_encode().slice(1)
    assert resolve_locales(requested, AVAILABLE, "en").to_pylist() == ["de", "en", "en"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("de_at", "de-AT"),
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("german", None),
        ("d", None),
        ("", None),
    ],
)
def test_canonical(text: str, canonical: str | None) -> None:
    assert canonical_locale(text) == canonical
