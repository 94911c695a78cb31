"""JSON by joining: equal to Python's encoder for every text."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.messages.wire import constant, escape, join, obj, quoted

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.text(
    '\\"\n\r\t\x00\x1fa/<é😀\u2028', max_size=20
)


@settings(deadline=None)  # the machine is shared
@given(st.lists(st.none() | TEXTS, max_size=10))
def test_escape_is_the_inside_of_json_dumps(texts: list[str | None]) -> None:
    expected = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]
    assert escape(pa.array(texts, pa.string())).to_pylist() == expected


@settings(deadline=None)  # the machine is shared
@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
def test_objects_read_back(texts: list[str], fixed: str) -> None:
    inner = obj({fixed: quoted(constant(fixed))})
    pieces = obj({"text": quoted(escape(pa.array(texts))), "none": quoted(None), "in": inner})
    made = [json.loads(text) for text in join(pieces, len(texts)).to_pylist()]
    assert made == [{"text": text, "none": None, "in": {fixed: fixed}} for text in texts]


def test_a_null_makes_the_whole_text_null() -> None:
    assert join(["a", pa.array(["b", None], pa.large_string())], 2).to_pylist() == ["ab", None]


def test_constants_alone_are_repeated() -> None:
    assert join(obj({"a": quoted(None)}), 2).to_pylist() == ['{"a":null}', '{"a":null}']


def test_slices_keep_their_rows() -> None:
    sliced = pa.array(["x", 'a"', None, "b"]).slice(1, 2)
    assert escape(sliced).to_pylist() == ['a\\"', None]
