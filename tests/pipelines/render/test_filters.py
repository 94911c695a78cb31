"""Every filter and helper with an entry: its examples through both engines, and filters against real Jinja2."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa
import pytest

from pipelines.render import RenderContext, compile_template
from pipelines.render.filters import FILTERS
from pipelines.render.helpers import HELPERS
from tests.pipelines.render.differential import differences
from tests.pipelines.render.grammar import FLOATS, INTS, ODD_FLOATS, TEXTS

UTC = dt.timezone.utc
VALUES: dict[str, pa.Array] = {
    "text": pa.array([*TEXTS, None, "a" * 300, "İstanbul ŞEHİR", "ŒUVRE ǅ ŉ", "\x1c pad \x1c"], pa.string()),
    "int": pa.array([*INTS, None], pa.int64()),
    "float": pa.array([*FLOATS, *ODD_FLOATS, None], pa.float64()),
    "bool": pa.array([True, False, None]),
    "decimal": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-0.05"), None], pa.decimal128(12, 2)),
    "date": pa.array([dt.date(2024, 2, 29), dt.date(1, 1, 1), None]),
    "moment": pa.array([dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
    "texts": pa.array([["a", "b<"], [], None, ["x", None]], pa.list_(pa.string())),
    "ints": pa.array([[1, 2, 3], [], None, [2**62, 2**62], [7, None]], pa.list_(pa.int64())),
    "floats": pa.array([[0.1, 0.2, 0.3], [], [1.0]], pa.list_(pa.float64())),
    "null": pa.nulls(2),
}
CONTEXT = RenderContext(
    signing_key=b"k" * 32,
    track_base_url="https://t.example.org/c",
    unsubscribe_base_url="https://u.example.org/u",
    preferences_base_url="https://u.example.org/p",
)


@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
@pytest.mark.parametrize("values", VALUES, ids=str)
@pytest.mark.parametrize("entry", [f for f in FILTERS if f.examples], ids=lambda f: f.name)
def test_a_filter_is_jinja2s_own(entry: Any, values: str, html: bool) -> None:
    batch = pa.RecordBatch.from_arrays([VALUES[values]], names=["value"])
    template = "".join(f"[{{{{ {example} }}}}]" for example in entry.examples)
    assert differences({"t": template}, "t", batch, html=html) == []
    for example in entry.examples:
        assert differences({"t": f"{{{{ {example} }}}}"}, "t", batch, html=html) == []


@pytest.mark.parametrize("locale", ["en", "de-AT", "ar_EG", "fr", "pl", "xx-unknown", "zh-Hant-TW"])
@pytest.mark.parametrize("values", VALUES, ids=str)
@pytest.mark.parametrize("helper", HELPERS, ids=lambda h: h.name)
def test_a_helper_is_the_same_in_both_engines(helper: Any, values: str, locale: str) -> None:
    size = len(VALUES[values])
    customer = [{"customer_id": f"c{i}", "locale": locale, "time_zone": "Europe/Vienna"} for i in range(size)]
    message = [{"message_id": f"m{i}", "channel": "email"} for i in range(size)]
    columns = {"value": VALUES[values], "customer": pa.array(customer), "message": pa.array(message)}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    for example in helper.examples:
        source = {"t": f"<{{{{ {example} }}}}>"}
        both = [
            compile_template("t", source, html=True, context=CONTEXT, engine=engine).render(batch)
            for engine in ("compiled", "jinja2")
        ]
        assert both[0].text.to_pylist() == both[1].text.to_pylist()
        assert [(e.row, e.kind) for e in both[0].errors] == [(e.row, e.kind) for e in both[1].errors]


def test_no_filter_has_two_entries() -> None:
    names = [f.name for f in FILTERS] + [h.name for h in HELPERS]
    assert len(names) == len(set(names))
