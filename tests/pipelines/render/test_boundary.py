"""What other rooms rely on: one text or one error a row, whatever the others hold; slices, pickles, halves."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from pipelines.render import Limits, RowError, compile_template, frame, operations
from pipelines.render.expressions import VALUES
from pipelines.render.inheritance import lower_template
from pipelines.render.kernels import vector
from pipelines.render.operations import How
from pipelines.render.statements import STATEMENTS


def _batch(*names: str | None) -> pa.RecordBatch:
    rows = [{"customer": {"name": name, "tags": [name or "x"] * 2}} for name in names]
    schema = pa.schema([("customer", pa.struct([("name", pa.string()), ("tags", pa.list_(pa.string()))]))])
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def test_one_failing_row_leaves_the_others_alone() -> None:
    template = compile_template("t", {"t": "Hi {{ customer.name }}!"}, html=False)
    rendered = template.render(_batch("a", None, "b"))
    assert rendered.text.to_pylist() == ["Hi a!", None, "Hi b!"]
    assert rendered.errors == (RowError(1, "t", 1, "customer.name", "undefined", "customer.name is None"),)


def test_errors_name_template_line_and_variable_inside_includes() -> None:
    sources = {"t": "x\n{% include 'part' %}", "part": "\n\n{{ customer.name|upper|replace('A', nope) }}"}
    rendered = compile_template("t", sources, html=False).render(_batch("a"))
    (error,) = rendered.errors
    assert (error.template, error.line, error.variable, error.kind) == ("part", 3, "nope", "undefined")


def test_abort_excludes_the_row_with_its_reason() -> None:
    source = "{% if customer.name == 'b' %}{{ abort('no ' ~ customer.name) }}{% endif %}ok"
    rendered = compile_template("t", {"t": source}, html=False).render(_batch("a", "b"))
    assert rendered.text.to_pylist() == ["ok", None]
    assert [(e.row, e.kind, e.message, e.line) for e in rendered.errors] == [(1, "abort", "no b", 1)]


def test_the_first_error_of_a_row_counts() -> None:
    source = "{{ customer.name }}{{ abort('later') }}"
    rendered = compile_template("t", {"t": source}, html=False).render(_batch("a", None))
    assert [(e.row, e.kind) for e in rendered.errors] == [(0, "abort"), (1, "undefined")]


def test_wire_json_is_the_inside_of_a_json_string() -> None:
    source = '<a href="x">\n{{ customer.name }}\t\\</a>'
    rendered = compile_template("t", {"t": source}, html=True, wire="json").render(_batch('q"\x01\n\\é'))
    assert rendered.text.to_pylist() == ['<a href=\\"x\\">\\nq&#34;\\u0001\\n\\\\é\\t\\\\</a>']


def test_slices_and_empty_batches() -> None:
    source = "{% for t in customer.tags %}{{ loop.index }}{{ t }}{{ customer.name }} {% endfor %}"
    template = compile_template("t", {"t": source}, html=False)
    batch = _batch("a", "b", "c", "d")
    whole = template.render(batch).text.to_pylist()
    assert template.render(batch.slice(1, 2)).text.to_pylist() == whole[1:3]
    assert template.render(batch.slice(0, 0)).text.to_pylist() == []
    assert template.render(batch.slice(3)).text.to_pylist() == whole[3:]


def test_a_batch_that_unrolls_too_far_is_rendered_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "{% for t in customer.tags %}{{ t }}{{ customer.name }}{% endfor %}"
    template = compile_template("t", {"t": source}, html=False)
    batch = _batch("a", None, "c", "d", "e")
    whole = template.render(batch)
    monkeypatch.setattr(vector, "MOST_ITEMS", 3)
    halved = template.render(batch)
    assert halved.text.to_pylist() == whole.text.to_pylist()
    assert halved.errors == whole.errors


def test_a_template_survives_pickling() -> None:
    template = compile_template("t", {"t": "{{ customer.name }}", "unused": "x"}, html=True, wire="json")
    copy = pickle.loads(pickle.dumps(template))
    assert copy.digest == template.digest
    assert copy.render(_batch("<")).text.to_pylist() == ["&lt;"]
    assert list(copy.sources) == ["t"]


def test_the_digest_depends_on_everything_referred_to() -> None:
    def digest(part: str) -> str:
        return compile_template("t", {"t": "{% include 'p' %}", "p": part}, html=False).digest

    assert digest("a") == digest("a") != digest("b")


def test_coverage_names_line_and_reason() -> None:
    source = "{{ customer.name }}\n{{ customer.name|center(9) }}"
    template = compile_template("t", {"t": source}, html=False, schema=_batch("a").schema)
    (fallback,) = template.coverage.fallbacks
    assert (fallback.template, fallback.line) == ("t", 2)
    assert "center" in fallback.reason
    assert 0 < template.coverage.share < 1


def test_coverage_needs_a_schema() -> None:
    template = compile_template("t", {"t": "x"}, html=False)
    with pytest.raises(ValueError, match="schema"):
        _ = template.coverage
    assert template.coverage_for(_batch("a").schema).share == 1.0


def test_output_over_the_limit_fails_that_row_only() -> None:
    template = compile_template("t", {"t": "{{ customer.name }}"}, html=False, limits=Limits(output_bytes=10))
    rendered = template.render(_batch("a" * 10, "a" * 11, "é" * 6))
    assert [(e.row, e.kind) for e in rendered.errors] == [(1, "limit"), (2, "limit")]
    escaped = compile_template(
        "t", {"t": "{{ customer.name }}"}, html=False, wire="json", limits=Limits(output_bytes=10)
    )
    assert escaped.render(_batch("\n" * 10)).text.to_pylist() == ["\\n" * 10]


def test_every_construct_is_in_the_table_of_operations() -> None:
    assert lower_template is not None
    done = {node for node, how in operations.OPERATIONS.items() if how is not How.ROW_WISE}
    lowered = set(VALUES) | set(STATEMENTS)
    assert lowered <= done
    handled_elsewhere = {
        "Template", "TemplateData", "Const", "Slice", "List", "Tuple", "Dict", "Pair", "Keyword", "Operand", "Extends",
    }  # fmt: skip
    assert {n.__name__ for n in done - lowered} == handled_elsewhere


def test_a_bug_in_a_kernel_costs_nobody_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr(frame, "KERNELS", {"output": broken})
    template = compile_template("t", {"t": "Hi {{ customer.name }}"}, html=False)
    rendered = template.render(_batch("a", None))
    assert rendered.text.to_pylist() == ["Hi a", None]
    assert [e.row for e in rendered.errors] == [1]
    assert [fault.split(" line")[0] for fault in template.faults] == ["AttributeError in broken"]


@pytest.mark.parametrize(
    "name", ["upper", "lower", "capitalize", "trim", "title", "length", "replace('b', 'x')"]
)
@pytest.mark.parametrize(
    "arrow", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_filters_of_slices_of_every_storage(arrow: pa.DataType, name: str) -> None:
    whole = pa.array(["a", "bb", "Back\\slash ", "dd", None], pa.string()).cast(arrow)
    batch = pa.RecordBatch.from_arrays([whole], names=["v"])
    template = compile_template("t", {"t": f"[{{{{ v|{name} }}}}]"}, html=False)
    texts = template.render(batch).text.to_pylist()
    for start in range(5):
        assert template.render(batch.slice(start, 2)).text.to_pylist() == texts[start : start + 2]
    assert template.faults == ()
