"""Reference tables in templates: what real Jinja2 renders, by kernels where the table allows it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipelines.render import RenderContext, compile_template
from tests.pipelines.render import oracle
from tests.pipelines.render.differential import differences

CONTENT: dict[str, Any] = {
    "prices": {
        "tea": {"price": 12.5, "name": "Tea & <milk>", "tags": ["hot", "new"], "old": None},
        "cup": {"price": 9.0, "name": "Cup {{ no }}", "tags": [], "old": 11.0},
    },
    "uneven": {"tea": {"price": 1}, "cup": {"cost": 2}},
    "mixed": {"tea": 12, "cup": 9.5},
    "titles": {"tea": "Good tea", "cup": "Good cup", "none": None},
    "products": [
        {"name": "Kettle", "price": 39.0, "sale": True},
        {"name": "Mill", "price": 28.0, "sale": False, "note": "new"},
    ],
    "flags": {"snow": True, "limit": 2**70, "nothing": None},
    "items": {"a": 1},
}
CONTEXT = RenderContext(content=CONTENT)
BATCH = pa.RecordBatch.from_pylist(
    [
        {"sku": "tea", "n": 1, "rows": [{"sku": "tea"}, {"sku": "cup"}]},
        {"sku": "cup", "n": 2, "rows": []},
        {"sku": "wool", "n": 3, "rows": [{"sku": "wool"}]},
        {"sku": None, "n": 4, "rows": [{"sku": None}]},
        {"sku": "items", "n": 5, "rows": None},
        {"sku": "{{ sku }}\0<b>", "n": 6, "rows": [{"sku": "tea"}]},
    ],
    schema=pa.schema(
        [("sku", pa.string()), ("n", pa.int64()), ("rows", pa.list_(pa.struct([("sku", pa.string())])))]
    ),
)
VECTORISED = [
    "{{ content.prices.tea.price }} {{ content['prices']['cup'].name }}",
    "{{ content.prices.tea }}",
    "{{ content.prices[sku].price }}",
    "{{ content.prices[sku].name|upper }} {{ content.prices[sku].tags|join('+') }}",
    "{% for t in content.prices[sku].tags %}{{ t }}{% else %}none{% endfor %}",
    "{% for row in rows %}{{ content.prices[row.sku].price }};{% endfor %}",
    "{{ content.prices[sku].old }}",
    "{{ content.prices[sku].old or 'new' }}",
    "{{ content.titles[sku] }}",
    "{{ content.titles.get(sku, 'none') if n < 5 }}",
    "{% if sku in content.prices %}{{ content.prices[sku].price * n }}{% else %}-{% endif %}",
    "{% set t = content.prices %}{{ t[sku].price }}",
    "{% set p = content.prices[sku] %}{{ p.name }} {{ p.price }}",
    "{% for p in content.products %}{{ loop.index }} {{ p.name }} {{ p.price * 2 }},{% endfor %}",
    "{% for p in content.products if p.sale %}{{ p.name }} of {{ loop.length }}{% endfor %}",
    "{% for p in content.products if p.price > 99 %}x{% else %}none{% endfor %}",
    "{% for p in content.products %}{{ p.note|default('-') }}{% endfor %}",
    "{% for key in content.prices %}{{ key }}{% endfor %}",
    "{% for key, p in content.prices.items() %}{{ key }}={{ p.price }};{% endfor %}",
    "{% for key, p in content.titles|dictsort %}{{ key }}{% endfor %}",
    "{% for p in content.prices.values() %}{{ p.name }}{% endfor %}",
    "{{ content.products|length }} {{ content.products[0].name }} {{ content.products[-1]['name'] }}",
    "{{ content.flags.snow }} {{ content.flags.limit }}",
    "{% if content.flags.snow %}snow{% endif %}",
    "{{ content.flags.nothing }}",
    "{{ content.nope }}",
    "{{ content.nope.deeper }}",
    "{{ content.prices.wool.price }}",
    "{{ content.prices.tea.nope|default('d') }}",
    "{{ 'yes' if content.prices.tea is defined else 'no' }}",
    "{% macro m(p) %}[{{ p.name }} {{ p.price }}]{% endmacro %}{{ m(content.prices.tea) }}",
    "{% set content = {'prices': 1} %}{{ content.prices }}",
    "{{ content.prices.tea.name|safe }}",
    "{{ content.items.a }}",
    "{{ content.products|sum(attribute='price') }}",
    "{% from 'lib' import price %}{{ price('tea') }} {{ price(sku) }}",
]
ROW_WISE = [
    "{{ content.uneven[sku].price }}",
    "{{ content.mixed[sku] }}",
    "{% for row in rows %}{{ content.mixed[row.sku] }}{% endfor %}",
    "{{ content.products[n - 1].name }}",
    "{{ content.products|map(attribute='name')|join(', ') }}",
    "{{ content.prices.keys()|list }}",
    "{{ content[sku] }}",
]


def _sources(template: str) -> dict[str, str]:
    return {"t": template, "lib": "{% macro price(key) %}{{ content.prices[key].price }}{% endmacro %}"}


@pytest.fixture(autouse=True)
def _content_for_real_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = oracle.environment

    def with_content(*args: Any) -> Any:
        made = plain(*args)
        made.globals["content"] = CONTENT
        # Only the product has a field of the data before a method of that name.
        made.getattr = lambda obj, name: (  # type: ignore[method-assign,assignment]  # see above
            obj[name] if type(obj) is dict and name in obj else type(made).getattr(made, obj, name)
        )
        return made

    monkeypatch.setattr(oracle, "environment", with_content)


@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
@pytest.mark.parametrize("template", VECTORISED)
def test_vectorised(template: str, html: bool) -> None:
    assert differences(_sources(template), "t", BATCH, html=html, context=CONTEXT) == []
    compiled = compile_template("t", _sources(template), html=html, context=CONTEXT, schema=BATCH.schema)
    assert compiled.coverage.fallbacks == ()
    assert compiled.coverage.share == 1.0


@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
@pytest.mark.parametrize("template", ROW_WISE)
def test_row_by_row(template: str, html: bool) -> None:
    assert differences(_sources(template), "t", BATCH, html=html, context=CONTEXT) == []
    compiled = compile_template("t", _sources(template), html=html, context=CONTEXT, schema=BATCH.schema)
    assert all(fallback.reason and fallback.line for fallback in compiled.coverage.fallbacks)
    assert compiled.coverage.fallbacks


def test_a_variable_of_the_row_comes_first() -> None:
    batch = pa.RecordBatch.from_pylist([{"content": {"a": "row"}}])
    made = compile_template(
        "t", {"t": "{{ content.a }}"}, html=False, context=RenderContext(content={"a": 1})
    )
    assert made.render(batch).text.to_pylist() == ["row"]


def test_a_static_table_is_static_text() -> None:
    source = "{% for key, p in content.prices.items() %}{{ key }} {{ p.price }} {% endfor %}"
    made = compile_template("t", {"t": source}, html=True, context=CONTEXT, schema=BATCH.schema)
    block = made._program(BATCH.schema).block
    assert block is not None
    assert [type(stmt).__name__ for stmt in block.body] == ["Text"]


def test_equal_look_ups_are_one() -> None:
    source = "{{ content.prices[sku].price }}{{ content.prices[sku].name }}"
    made = compile_template("t", {"t": source}, html=False, context=CONTEXT, schema=BATCH.schema)
    block = made._program(BATCH.schema).block
    assert block is not None
    bases = {stmt.source.args[0] for stmt in block.body if type(stmt).__name__ == "Out"}  # type: ignore[union-attr]  # an Out has it
    assert len(bases) == 1
