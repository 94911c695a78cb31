"""Compares the compiled engine and the row-wise engine with the oracle, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from jinja2 import TemplateError as JinjaError
from jinja2 import UndefinedError

from pipelines.render import CompiledTemplate, RenderContext, Rendered, TemplateError, compile_template
from tests.pipelines.render import oracle


def differences(
    sources: Mapping[str, str],
    name: str,
    *batches: pa.RecordBatch,
    html: bool,
    context: RenderContext | None = None,
) -> list[str]:
    """Every way in which an engine differs from real Jinja2 over the batches; none is the hope."""
    try:
        compiled = compile_template(name, sources, html=html, context=context)
    except TemplateError as refused:
        try:
            oracle.environment(sources, html).get_template(name)
        except JinjaError:
            return []
        return [f"refused: {refused}"]
    try:
        reference = oracle.environment(sources, html).get_template(name)
    except UndefinedError:
        # Jinja2 folds constants while it compiles and fails when one is undefined; Carillon fails the rows.
        return []
    rows, wired = compiled.variant(engine="jinja2"), compiled.variant(wire="json")
    return [
        found
        for batch in batches
        for found in _differences(compiled, rows, wired, oracle.render(reference, batch), batch)
    ]


def _differences(
    compiled: CompiledTemplate,
    rows: CompiledTemplate,
    wired: CompiledTemplate,
    wanted: list[Any],
    batch: pa.RecordBatch,
) -> list[str]:
    found: list[str] = []
    made = {"compiled": compiled.render(batch), "jinja2": rows.render(batch)}
    found += [f"fault: {fault}" for fault in compiled.faults]
    for engine, rendered in made.items():
        texts = _texts(rendered)
        failed = {e.row for e in rendered.errors}
        if failed != {i for i, t in enumerate(texts) if t is None} or len(failed) != len(rendered.errors):
            found.append(f"{engine}: errors {sorted(failed)} are not the rows without text")
        for row, (text, right) in enumerate(zip(texts, wanted, strict=True)):
            if (text is None) != isinstance(right, type) or (text is not None and text != right):
                found.append(f"{engine} row {row}: {text!r} instead of {right!r}; errors {rendered.errors}")
    kinds = [{e.row: (e.kind, e.template, e.line) for e in m.errors} for m in made.values()]
    if kinds[0] != kinds[1]:
        found.append(f"errors differ: {made['compiled'].errors} and {made['jinja2'].errors}")
    for error in made["compiled"].errors:
        raised = wanted[error.row]
        if (error.kind == "undefined") != (isinstance(raised, type) and issubclass(raised, UndefinedError)):
            found.append(f"kind {error.kind} for {raised}")
    if compiled.html:
        # Escaping for the wire comes after everything else: one of the two modes shows it.
        found += _wire_differences(_texts(wired.render(batch)), wanted)
    return found


def _texts(rendered: Rendered) -> list[str | None]:
    return [None if t is None else oracle.without_addresses(t) for t in rendered.text.to_pylist()]


def _wire_differences(texts: list[str | None], wanted: list[Any]) -> list[str]:
    out = []
    for row, (text, right) in enumerate(zip(texts, wanted, strict=True)):
        escaped = None if isinstance(right, type) else json.dumps(right, ensure_ascii=False)[1:-1]
        if text != escaped:
            out.append(f"wire row {row}: {text!r} instead of {escaped!r}")
    return out
