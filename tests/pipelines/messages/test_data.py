"""Trigger data: JSON to declared types, where one bad row is that row's failure alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.messages.data import parse_data

DECLARED = pa.struct(
    [
        ("name", pa.string()),
        ("count", pa.int64()),
        ("total", pa.float64()),
        ("paid", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
        ("on", pa.date32()),
        ("price", pa.decimal128(12, 2)),
        ("tags", pa.list_(pa.string())),
        ("lines", pa.list_(pa.struct([("sku", pa.string()), ("due", pa.date32())]))),
    ]
)
NOTHING = dict.fromkeys([field.name for field in DECLARED])


def parsed(
    texts: Sequence[str | None], declared: pa.StructType = DECLARED
) -> tuple[list[Any], dict[int, str]]:
    result = parse_data(pa.array(texts, pa.string()), declared)
    assert result.values.type == declared
    return result.values.to_pylist(), result.failures


def test_every_type() -> None:
    text = """{"name": "é\\n😀", "count": -7, "total": 3, "paid": true, "at":
      "2026-03-01T10:00:00.5+02:00",
      "on": "2026-02-28", "price": "1.50", "tags": ["a", null],
      "lines": [{"sku": "x", "due": "2026-01-02"}, {}],
      "undeclared": {"deep": [1]}}"""
    values, failures = parsed([text])
    assert failures == {}
    assert values == [
        {
            "name": "é\n😀",
            "count": -7,
            "total": 3.0,
            "paid": True,
            "at": datetime(2026, 3, 1, 8, 0, 0, 500_000, tzinfo=timezone.utc),
            "on": date(2026, 2, 28),
            "price": Decimal("1.50"),
            "tags": ["a", None],
            "lines": [{"sku": "x", "due": date(2026, 1, 2)}, {"sku": None, "due": None}],
        }
    ]


@pytest.mark.parametrize("text", [None, "{}", "null", '{"name": null}', '{"other": 1}'])
def test_what_is_absent_is_null(text: str | None) -> None:
    assert parsed([text]) == ([NOTHING], {})


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "data is not JSON"),
        ("{", "data is not JSON"),
        ('{"name": "a"} {"name": "b"}', "data is not JSON"),
        ('{"name": "a"}} {"d": {"name": "b"}', "data is not JSON"),
        ('{"name": "a"}\x00', "data is not JSON"),
        ('{"name": "\\ud800"}', "data"),
        ("[]", "data is a list, not an object"),
        ("7", "data is an integer, not an object"),
        ('{"name": 7}', "data.name: an integer does not fit the declared string"),
        ('{"count": 1.5}', "data.count: a number does not fit the declared int64"),
        ('{"count": 9223372036854775808}', "data.count: an integer does not fit"),
        ('{"total": "1"}', "data.total: a string does not fit"),
        ('{"paid": 1}', "data.paid: an integer does not fit"),
        ('{"at": "yesterday"}', "data.at: a string does not fit"),
        ('{"on": "2026-02-30"}', "data.on: a string does not fit"),
        ('{"tags": "a"}', "data.tags: a string does not fit"),
        ('{"lines": [{"due": 4}]}', "data.lines: a list does not fit"),
        ('{"name": "a", "name": "b"}', "data does not fit"),
        ("[" * 100_000, "data is not JSON"),
    ],
)
def test_a_bad_row_fails_alone(text: str, detail: str) -> None:
    good = '{"name": "good"}'
    values, failures = parsed([good, text, good])
    assert list(failures) == [1]
    assert failures[1].startswith(detail)
    assert "yesterday" not in failures[1]
    assert values[1] is None
    assert [values[0], values[2]] == [{**NOTHING, "name": "good"}] * 2


@pytest.mark.parametrize("ending", ['{"name": "x"}\x00', '{"name": "x"}}\x00'])
def test_two_bad_rows_cannot_make_up_for_each_other(ending: str) -> None:
    # One row adds a row, the other ends the text early: the count alone would be right.
    values, failures = parsed(['{}} {"d": {"name": "forged"}', ending, '{"name": "own"}'])
    assert list(failures) == [0, 1]
    assert values[2] == {**NOTHING, "name": "own"}


def test_nothing_declared() -> None:
    assert parsed(["{", None], pa.struct([])) == ([{}, {}], {})


def test_no_rows() -> None:
    assert parsed([]) == ([], {})


SIMPLE = pa.struct([("name", pa.string()), ("count", pa.int64()), ("tags", pa.list_(pa.string()))])
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
GOOD = st.fixed_dictionaries(
    {"name": st.none() | TEXT, "count": st.none() | st.integers(-(2**63), 2**63 - 1)},
    optional={"tags": st.none() | st.lists(st.none() | TEXT, max_size=3)},
)


@settings(deadline=None)  # the machine is shared
@given(st.lists(GOOD | st.sampled_from(["{", "[]", '{"name": 1}', '{}} {"d":{}', "\x00", "\n"]), max_size=12))
def test_each_row_is_parsed_as_if_alone(rows: list[Any]) -> None:
    texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    values, failures = parsed(texts, SIMPLE)
    expected = [None if isinstance(row, str) else {"tags": None, **row} for row in rows]
    assert values == expected
    assert sorted(failures) == [place for place, row in enumerate(rows) if isinstance(row, str)]
