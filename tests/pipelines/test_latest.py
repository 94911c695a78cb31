"""The last word about each key, whatever the order of the rows, and where the word about a row is."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.latest import latest, places

WORDS = st.sampled_from(("", "a", "b", None))
ROWS = st.lists(st.tuples(WORDS, WORDS, st.integers(0, 3), st.booleans()), max_size=40)
SCHEMA = pa.schema([("one", pa.string()), ("two", pa.string()), ("at", pa.int64()), ("said", pa.bool_())])


@given(ROWS)
def test_the_last_of_each_key(rows: list[tuple[Any, ...]]) -> None:
    table = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)
    found = [tuple(row.values()) for row in latest(table, ("one", "two"), ("at", "said")).to_pylist()]
    expected = {(row[0], row[1]): row for row in sorted(rows, key=lambda row: row[2:])}
    assert len(found) == len(expected)
    assert {(row[0], row[1]): row for row in found} == expected


@given(st.lists(st.tuples(WORDS, WORDS), max_size=20), st.lists(st.tuples(WORDS, WORDS), unique=True))
def test_where_the_word_about_a_row_is(asked: list[Any], among: list[Any]) -> None:
    def columns(pairs: list[Any]) -> list[pa.Array]:
        return [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]

    known = {pair: place for place, pair in enumerate(among) if None not in pair}
    assert places(columns(asked), columns(among)).to_pylist() == [known.get(pair) for pair in asked]
    single = places(columns(asked)[:1], [pa.array(["a", "b"])])
    assert single.to_pylist() == [{"a": 0, "b": 1}.get(one) for one, _ in asked]
