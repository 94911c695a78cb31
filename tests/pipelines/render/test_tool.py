"""`carillon render`: results a line, both engines, what a template reads, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from jinja2 import UndefinedError
from typer.testing import CliRunner, Result

from console.render import register
from pipelines.render import tool
from tests.pipelines.render import oracle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    (root / "sms").mkdir(parents=True)
    (root / "shared").mkdir()
    (root / "sms" / "text.en.txt.j2").write_text(
        "Hi {{ c.name|upper }}{% include 'shared/end.j2' %}", encoding="utf-8"
    )
    (root / "shared" / "end.j2").write_text("{% for o in orders %} {{ o.id }}{% endfor %}", encoding="utf-8")
    (root / "bad.j2").write_text("\n{{ c.name|uper }}", encoding="utf-8")
    rows = [{"c": {"name": "Zoë"}, "orders": [{"id": 1}]}, {"c": None, "orders": []}]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return tmp_path


def _run(*args: object) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, [str(a) for a in args])


@pytest.mark.parametrize("more", [[], ["--compare"], ["--engine", "jinja2"]])
def test_one_result_a_line(folder: Path, more: list[str]) -> None:
    done = _run(folder / "templates/sms/text.en.txt.j2", "--data", folder / "rows.jsonl", *more)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert lines[0] == {"row": 0, "text": "Hi ZOË 1"}
    assert lines[1]["error"]["kind"] == "undefined"
    assert (lines[1]["error"]["template"], lines[1]["error"]["line"]) == ("sms/text.en.txt.j2", 1)


def test_compare_stops_at_a_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "first_difference", lambda *_, **__: {"row": 0})
    done = _run(folder / "templates/sms/text.en.txt.j2", "--data", folder / "rows.jsonl", "--compare")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"row": 0})


def test_schema_lists_what_is_read(folder: Path) -> None:
    done = _run(folder / "templates/sms/text.en.txt.j2", "--schema")
    assert done.stdout.split() == ["c.name", "orders[].id"]


@pytest.mark.parametrize(
    ("template", "data", "message"),
    [
        ("bad.j2", "rows.jsonl", "template 'bad.j2' line 2: unknown filter 'uper'. Did you mean 'upper'?"),
        ("sms/text.en.txt.j2", "none.jsonl", "none.jsonl"),
        ("sms/text.en.txt.j2", "templates/bad.j2", "line 2: not JSON"),
    ],
)
def test_mistakes_are_one_line(folder: Path, template: str, data: str, message: str) -> None:
    done = _run(folder / "templates" / template, "--data", folder / data)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_rows_of_other_shapes_are_refused() -> None:
    with pytest.raises(tool.DataError, match="line 1: a list"):
        tool.read_rows(["[1]"])


_MIXED: list[dict[str, Any]] = [
    {"a": 1, "l": [1, 2], "s": {"x": None}},
    {"a": 1.5, "l": [], "s": {"x": "y"}},
    {"a": "x", "l": [{"k": 1}, {"k": 2.5}], "s": {}},
    {"l": None},
    {},
    {"a": 2**80, "l": [1, "x", None], "s": {"x": 2**63}},
    {"a": None, "l": [[1], []], "s": {"y": 1, "x": 0}},
    {"a": True, "l": ["\u2028\x85", ""], "s": None},
    {"a": 7, "l": [3], "s": {"x": "z"}},
    {"a": -0.0, "l": [1, 2.0], "s": {"y": 1}},
]
_READING = [
    "{{ a }}",
    "{{ a is defined }}{{ a is number }}{{ a|default('none') }}",
    "{{ s.x|default('-', true) }}{{ s.x is defined }}{{ s }}",
    "{% for i in l %}{{ i }};{% endfor %}",
    "{{ l }}{{ a * 2 }}",
]


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("source", _READING)
def test_a_row_reads_as_if_it_were_the_only_one(source: str, html: bool) -> None:
    template = oracle.environment({"t": source}, html).get_template("t")
    made = tool.render_lines("t", {"t": source}, _MIXED, html=html)
    assert tool.first_difference("t", {"t": source}, _MIXED, html=html) is None
    for number, (row, result) in enumerate(zip(_MIXED, made, strict=True)):
        try:
            assert result == {"row": number, "text": template.render(row)}
        except (UndefinedError, TypeError):
            assert list(result) == ["row", "error"]


def test_more_shapes_than_are_compiled_for() -> None:
    rows = [{f"f{n % 50}": n, "a": n} for n in range(200)]
    made = tool.render_lines("t", {"t": "{{ a }}{{ f49 is defined }}"}, rows)
    assert [r["text"] for r in made] == [f"{n}{n % 50 == 49}" for n in range(200)]


def test_a_line_is_one_for_every_reader(folder: Path) -> None:
    (folder / "t.j2").write_text("{{ s }}")
    text = "a\u2028b\x85c\u2029d\x1ce\n"
    (folder / "t.jsonl").write_text(json.dumps({"s": text}, ensure_ascii=False), encoding="utf-8")
    done = _run(folder / "t.j2", "--data", folder / "t.jsonl")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"row": 0, "text": text}]


def test_lone_surrogates_are_replaced() -> None:
    assert tool.read_rows(['{"a": ["\\ud800x", "\\ud83d\\ude00"]}']) == [{"a": ["\ufffdx", "😀"]}]


@pytest.mark.parametrize("more", [[], ["--compare"], ["--engine", "jinja2"]])
def test_types_that_json_does_not_have(folder: Path, more: list[str]) -> None:
    (folder / "t.j2").write_text(
        "{{ day|date('d.M.y') }} {% for o in orders %}{{ o.at|time('HH:mm') }} {{ o.sum + 1 }};{% endfor %}"
    )
    rows = [
        {"day": "2026-03-01", "orders": [{"at": "2026-03-01T09:30:00.5+02:00", "sum": "1.10"}]},
        {"day": "2026-12-24", "orders": [{"at": "2026-03-01T23:59:59z", "sum": 7}, {"at": None, "sum": 2.5}]},
        {"orders": []},
    ]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    types = ["--type", "day=date", "--type", "orders[].at=timestamp", "--type", "orders.sum=decimal"]
    done = _run(folder / "t.j2", "--data", folder / "t.jsonl", *types, *more)
    assert done.exit_code == 0, done.stderr
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["text"] == "1.3.2026 07:30 2.10;"
    assert second["error"]["line"] == 1
    assert (third["error"]["kind"], third["error"]["variable"]) == ("undefined", "day")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("day=dat", "--type day=dat: write PATH=TYPE, with a TYPE of timestamp, date, decimal"),
        ("day", "--type day: write PATH=TYPE"),
        ("day=timestamp", "row 1: day is no timestamp: expected RFC 3339 such as 2026-03-01T09:30:00Z"),
        ("n=decimal", "row 2: n is no decimal: expected a number, or its text"),
        ("a.b=date", "--type a.b=date: no row has 'a.b'"),
    ],
)
def test_wrong_types_are_one_line(folder: Path, given: str, told: str) -> None:
    (folder / "t.jsonl").write_text('{"day": "2026-03-01", "n": 1}\n{"day": null, "n": "x"}')
    done = _run(folder / "templates/sms/text.en.txt.j2", "--data", folder / "t.jsonl", "--type", given)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert told in done.stderr
