"""SMS segments against a slow reading of GSM 03.38, character by character."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.messages.sms import BASIC, EXTENSION, GSM7, SIMPLER, UCS2, count_segments, simplify


def slow_count(text: str) -> tuple[str, int, int]:
    """Encoding, units and segments, packing one character after the other."""
    if all(char in BASIC or char in EXTENSION for char in text):
        encoding, single, part = GSM7, 160, 153
        costs = [2 if char in EXTENSION else 1 for char in text]
    else:
        encoding, single, part = UCS2, 70, 67
        costs = [len(char.encode("utf-16-le")) // 2 for char in text]
    units = sum(costs)
    if units <= single:
        return encoding, units, 1
    segments, room = 1, part
    for cost in costs:
        if cost > room:
            segments, room = segments + 1, part
        room -= cost
    return encoding, units, segments


def counted(texts: list[str | None]) -> list[tuple[str | None, int | None, int | None]]:
    count = count_segments(pa.array(texts, pa.string()))
    return list(
        zip(count.encoding.to_pylist(), count.units.to_pylist(), count.segments.to_pylist(), strict=True)
    )


def test_the_tables_are_those_of_the_standard() -> None:
    assert len(BASIC) == len(set(BASIC)) == 127
    assert len(EXTENSION) == len(set(EXTENSION)) == 10
    assert not set(BASIC) & set(EXTENSION)


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", GSM7, 1),
        ("a" * 160, GSM7, 1),
        ("a" * 161, GSM7, 2),
        ("a" * 306, GSM7, 2),
        ("a" * 307, GSM7, 3),
        ("€" * 80, GSM7, 1),
        ("€" * 80 + "a", GSM7, 2),
        ("a" * 152 + "€" + "a" * 152, GSM7, 3),  # 306 septets, but the pair does not fit the first part
        ("a" * 151 + "€" + "a" * 153, GSM7, 2),
        ("é", GSM7, 1),
        ("ê", UCS2, 1),
        ("ç", UCS2, 1),  # only the capital is in the table
        ("Ç", GSM7, 1),
        ("`", UCS2, 1),
        ("\x1b", UCS2, 1),
        ("я" * 70, UCS2, 1),
        ("я" * 71, UCS2, 2),
        ("я" * 134, UCS2, 2),
        ("я" * 135, UCS2, 3),
        ("😀" * 35, UCS2, 1),
        ("😀" * 36, UCS2, 2),
        ("я" * 66 + "😀" + "я" * 66, UCS2, 3),  # 134 units, but the pair is not split
    ],
)
def test_known_counts(text: str, encoding: str, segments: int) -> None:
    assert slow_count(text)[::2] == (encoding, segments)
    assert counted([text])[0][::2] == (encoding, segments)


CHARACTERS = st.sampled_from([*BASIC, *EXTENSION, "ê", "я", "😀", "𝒳", "\u0301", "\x00", "\u200d"])
RUNS = st.lists(st.tuples(CHARACTERS, st.integers(1, 160)), max_size=6).map(
    lambda runs: "".join(char * times for char, times in runs)
)
NEAR_CUTS = st.tuples(st.sampled_from("aя"), st.integers(60, 160), st.text("€😀[a", max_size=5), RUNS).map(
    lambda parts: parts[0] * parts[1] + parts[2] + parts[3]
)


@settings(deadline=None, max_examples=300)  # the machine is shared
@given(st.lists(st.none() | RUNS | NEAR_CUTS | st.text(CHARACTERS, max_size=200), max_size=6))
def test_agrees_with_the_slow_count(texts: list[str | None]) -> None:
    expected = [(None, None, None) if text is None else slow_count(text) for text in texts]
    assert counted(texts) == expected


def test_an_empty_array() -> None:
    assert counted([]) == []


@pytest.mark.parametrize(
    ("text", "simpler"),
    [
        ("7:45\u202fPM", "7:45 PM"),
        ("„Blitz“ – it’s 1\u00a0€…", '"Blitz" - it\'s 1 €...'),
        ("so\u00adft", "soft"),
        ("„я“", "„я“"),  # UCS-2 anyway: as written
        ("plain", "plain"),
        ("", ""),
        (None, None),
    ],
)
def test_simplify(text: str | None, simpler: str | None) -> None:
    assert simplify(pa.array(["я", text, "a"], pa.string())).to_pylist() == ["я", simpler, "a"]
    assert simplify(pa.array([text], pa.string())).to_pylist() == [simpler]


def test_simpler_forms_are_gsm7_and_replace_what_is_not() -> None:
    assert slow_count("".join(SIMPLER))[0] == GSM7
    assert all(slow_count(fancy)[0] == UCS2 for fancies in SIMPLER.values() for fancy in fancies)
