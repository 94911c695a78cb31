"""Templates that are refused, templates that are bounded, and data that attacks."""

# ruff: noqa: E501 - one attack is one line
from __future__ import annotations

import time

import pyarrow as pa
import pytest

from pipelines.render import Limits, TemplateError, compile_template

REFUSED = [
    ("{{ x|uper }}", "unknown filter 'uper'. Did you mean 'upper'?"),
    ("{{ x is strin }}", "unknown test 'strin'. Did you mean 'string'?"),
    ("{{ x.__class__ }}", "the attribute '__class__' is private"),
    ("{{ x['__class__'] }}", "the attribute '__class__' is private"),
    ("{{ x._hidden }}", "private"),
    ("{% include 'prat' %}", "no such template 'prat'. Did you mean 'part'?"),
    ("{% include name %}", "must be a constant string"),
    ("{% extends base %}", "must be a constant string"),
    ("{{ content_block('foter') }}", "no shared block 'foter'. Did you mean 'shared/footer.j2'?"),
    ("{% if %}x{% endif %}", "Expected an expression"),
    ("{% for x in %}", ""),
    ("{{ x", ""),
    (
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}",
        "the macro 'a' calls itself",
    ),
    ("{% include 'loop' %}", "goes round in a circle"),
    ("{{ x|random }}", "Use pick(...)"),
    ("{{ lipsum() }}", "'lipsum' is not available"),
    ("{{ {'a': 1}['b'] ~ 'x' }}", "a constant expression is undefined"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_refused_with_place_and_hint(source: str, message: str) -> None:
    sources = {
        "t": "first line\n" + source,
        "part": "p",
        "shared/footer.j2": "f",
        "loop": "{% include 'loop' %}",
    }
    with pytest.raises(TemplateError) as caught:
        compile_template("t", sources, html=False)
    assert message in str(caught.value)
    assert caught.value.template in ("t", "loop")
    if caught.value.line is not None:
        assert caught.value.line == 2


def test_an_unknown_template_is_named() -> None:
    with pytest.raises(TemplateError, match="Did you mean 'sms'"):
        compile_template("smss", {"sms": "x"}, html=False)


def test_content_block_is_an_include() -> None:
    sources = {"t": "a {{ content_block('foot') }} b", "shared/foot.j2": "[{{ name }}]"}
    batch = pa.RecordBatch.from_pylist([{"name": "n"}])
    assert compile_template("t", sources, html=False).render(batch).text.to_pylist() == ["a [n] b"]


BOUNDED = [
    "{{ 'a' * 10**8 }}",
    "{{ name * n }}",
    "{{ 'ab' * 10 ** 7 }}",
    "{{ 10 ** 100000000 }}",
    "{{ n ** n }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(n) %}x{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
    "{{ '%1000000000d' % n }}",
    "{{ '%*d' % (n, 1) }}",
    "{{ '%999999999s'|format(name) }}",
    "{{ name|center(10**9) }}",
    "{{ name|indent(10**9) }}",
    "{% set x = name * 9000 %}{% set x = x|replace('n', x) %}{% set x = x|replace('n', x) %}{{ x }}",
    "{{ (name * 5000).replace('n', name * 9000) }}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x|length }}",
    "{{ [name]|batch(10**9, 'x')|list|length }}",
    "{{ [name]|slice(10**9)|list|length }}",
    "{{ (range(90000)|list|join(name * 9000))|length }}",
    "{{ 2.5|round(10**9, 'ceil') }}",
    "{{ [name]|tojson(indent=10**9) }}",
    "{% macro f(x) %}{{ x }}{{ x }}{{ x }}{{ x }}{% endmacro %}{{ f(f(f(f(f(f(f(f(f(f(f(f(name)))))))))))) }}",
]


@pytest.mark.parametrize("engine", ["compiled", "jinja2"])
@pytest.mark.parametrize("source", BOUNDED)
def test_bounded(source: str, engine: str) -> None:
    batch = pa.RecordBatch.from_pylist([{"name": "n", "n": 10**12}])
    started = time.monotonic()
    template = compile_template("t", {"t": source}, html=False, engine=engine)  # type: ignore[arg-type]  # parametrised
    (error,) = template.render(batch).errors
    assert error.kind in ("limit", "value")
    assert time.monotonic() - started < 10


def test_loop_steps_are_counted_over_the_whole_message() -> None:
    source = "{% for i in range(30) %}{% for j in range(30) %}.{% endfor %}{% endfor %}"
    batch = pa.RecordBatch.from_pylist([{"n": 1}])
    inside = compile_template("t", {"t": source}, html=False, limits=Limits(loop_steps=1000))
    assert inside.render(batch).text.to_pylist() == ["." * 900]
    beyond = compile_template("t", {"t": source}, html=False, limits=Limits(loop_steps=500), engine="jinja2")
    assert beyond.render(batch).errors[0].kind == "limit"


HOSTILE = [
    "{{ 7 * 7 }}", "{% raw %}", "{# x #}", "<script>alert(1)</script>", "'\"&<>", "\x00", "\u202e\u2066", "a" * 1_000_000,
    "%s%n", "\\u0041", "${x}", "\u2028\u2029", "{{ customer.__class__ }}", "\U0010ffff",
]  # fmt: skip


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_data_is_never_template(value: str, html: bool) -> None:
    from markupsafe import escape

    batch = pa.RecordBatch.from_pylist([{"v": value, "list": [value, value]}])
    source = "[{{ v }}]{% for x in list %}{{ x }},{% endfor %}"
    limits = Limits(output_bytes=20_000_000)
    shown = str(escape(value)) if html else value
    rendered = compile_template("t", {"t": source}, html=html, limits=limits).render(batch)
    assert rendered.text.to_pylist() == [f"[{shown}]{shown},{shown},"]


ESCAPES = [
    "{{ v|attr('__class__') }}",
    "{{ v['__cl' ~ 'ass__'] }}",
    "{{ ''.format.__globals__ }}",
    "{{ v.format(v) }}",
    "{{ d.update({'x': 1}) }}",
    "{{ d.pop('a') }}",
    "{{ l.append(1) }}",
    "{{ l.__len__() }}",
    "{{ (v|map(attribute='__class__')|list)[0].__mro__ }}",
    "{{ range.__init__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner('x').__class__ }}",
    "{{ namespace().__dict__ }}",
    "{{ abort.__globals__ }}",
    "{{ v|map(attribute='__class__.__mro__')|join }}",
    "{{ self.__init__.__globals__ }}",
    "{{ loop.__class__ }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_outside_the_data_can_be_reached(source: str) -> None:
    batch = pa.RecordBatch.from_pylist([{"v": "x", "d": {"a": 1}, "l": [1]}])
    try:
        template = compile_template("t", {"t": source}, html=False)
    except TemplateError:
        return
    assert template.render(batch).text.to_pylist() == [None]


def test_fields_named_like_methods_are_data() -> None:
    batch = pa.RecordBatch.from_pylist([{"c": {"items": [1, 2], "keys": "k", "get": "g", "values": 5}}])
    source = (
        "{{ c.items|length }}{{ c.keys }}{{ c.get }}{{ c.values }}{% for i in c.items %}{{ i }}{% endfor %}"
    )
    for engine in ("compiled", "jinja2"):
        made = compile_template("t", {"t": source}, html=False, engine=engine).render(batch)
        assert made.text.to_pylist() == ["2kg512"]
