"""Numbers spelled out of tables, against Python's `str()`; also with static text around and in choices."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.render import compile_template
from pipelines.render.kernels import numbers
from pipelines.render.kernels.joining import join
from pipelines.render.kernels.pieces import Choice, Spelled

_WHOLE = [*range(1100), 9_999, 10_000, 99_999, 100_000, 100_001, 999_999]
_AMOUNTS = [h / 100 for h in (*range(2_000), 99_999, 100_000, 100_001, 1_234_550, 99_999_999)]


def _text(values: Any, kind: str, before: str = "", after: str = "") -> list[str]:
    data = pa.array(values)
    piece = numbers.spelled(data, kind)
    assert piece is not None
    made: list[str] = join([before, piece, after], len(data)).to_pylist()
    return made


@pytest.mark.parametrize("around", [("", ""), ("<", ">"), ("a" * 40, ""), ("", "b" * 200)])
@pytest.mark.parametrize(("kind", "values"), [("int", _WHOLE), ("int", _WHOLE[:1000]), ("float", _AMOUNTS)])
def test_numbers_read_as_python_writes_them(kind: str, values: list[Any], around: tuple[str, str]) -> None:
    before, after = around
    assert _text(values, kind, before, after) == [f"{before}{v}{after}" for v in values]


def test_amounts_at_random() -> None:
    values = [Random(3).randrange(100_000_000) / 100 for _ in range(20_000)]
    assert _text(values, "float") == [str(v) for v in values]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", -1),
        ("int", 1_000_000),
        ("int", None),
        ("float", -0.0),
        ("float", -1.5),
        ("float", 1_000_000.0),
        ("float", 0.001),
        ("float", 12.345),
        ("float", float("nan")),
        ("float", float("inf")),
        ("float", np.nextafter(1.1, 2)),
    ],
)
def test_what_tables_do_not_have_is_left(kind: str, value: Any) -> None:
    one = 1 if kind == "int" else 1.0
    assert numbers.spelled(pa.array([one, value]), kind) is None


def test_a_choice_of_numbers_of_different_lengths() -> None:
    mask = np.array([True, False, True, False])
    then = numbers.spelled(pa.array([1, 2, 123_456, 4]), "int")
    choice = Choice(mask, then, "none")
    assert join(["<", choice, "> end"], 4).to_pylist() == [
        "<1> end",
        "<none> end",
        "<123456> end",
        "<none> end",
    ]
    assert isinstance(then, Spelled)
    assert join([then.at(np.array([2, 2, 0]))], 3).to_pylist() == ["123456", "123456", "1"]


def test_a_number_from_outside_a_loop() -> None:
    source = "{% for x in xs %}{{ n }}{{ b }}{{ f }}{{ x }};{% endfor %}|{{ n }}"
    rows = [{"xs": ["a", "b"], "n": 5, "b": True, "f": 1.5}, {"xs": ["c"], "n": 12345, "b": False, "f": 0.05}]
    template = compile_template("t", {"t": source}, html=True)
    made = template.render(pa.RecordBatch.from_pylist(rows)).text.to_pylist()
    assert made == ["5True1.5a;5True1.5b;|5", "12345False0.05c;|12345"]
    assert template.faults == ()
