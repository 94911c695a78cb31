"""A compiled template: what the other rooms hold and call.

Invariant: `render` gives one text or one error for each row of the batch, and no row's failure touches
another's. The program is a pure function of name, sources and settings. Does not read files or know Spark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from pipelines.render.errors import RowError
from pipelines.render.parse import parse_all
from pipelines.render.rowwise import RowEngine, rows_of
from pipelines.render.sandbox import ReferenceEnvironment
from pipelines.render.settings import Limits, RenderContext

Wire = Literal["text", "json"]
Engine = Literal["compiled", "jinja2"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The texts of a batch, null where the row failed, and one error for each null."""

    text: pa.Array
    errors: tuple[RowError, ...]


class CompiledTemplate:
    """One template, ready to render batches of any schema."""

    def __init__(
        self,
        name: str,
        sources: Mapping[str, str],
        *,
        html: bool,
        wire: Wire,
        schema: pa.Schema | None,
        context: RenderContext,
        limits: Limits,
        engine: Engine,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "html": html, "wire": wire, "schema": schema, "context": context, "limits": limits, "engine": engine
        }  # fmt: skip
        self.name = name
        self.html = html
        self.wire: Wire = wire
        self.engine: Engine = engine
        environment = ReferenceEnvironment(html=html, limits=limits)
        parsed = parse_all(environment, name, sources)
        self.sources = {other: sources[other] for other in sorted(parsed)}
        self._rows = RowEngine(environment, name, parsed)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.sources, self._arguments)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and texts of the template and all it refers to."""
        held = hashlib.sha256()
        for part in (self.name, *(text for pair in self.sources.items() for text in pair)):
            raw = part.encode("utf-8", "surrogatepass")
            held.update(len(raw).to_bytes(8, "big") + raw)
        return held.hexdigest()

    def render(self, batch: pa.RecordBatch) -> Rendered:
        """Renders each row; the batch's top-level columns are the template's variables."""
        texts, errors = self._rows.render_rows(enumerate(rows_of(batch)), wire_json=self.wire == "json")
        return Rendered(pa.array(texts, pa.string()), tuple(errors))


def _rebuild(name: str, sources: Mapping[str, str], arguments: dict[str, Any]) -> CompiledTemplate:
    return CompiledTemplate(name, sources, **arguments)


def compile_template(
    name: str,
    sources: Mapping[str, str],
    *,
    html: bool,
    wire: Wire = "text",
    schema: pa.Schema | None = None,
    context: RenderContext | None = None,
    limits: Limits | None = None,
    engine: Engine = "compiled",
) -> CompiledTemplate:
    """Compiles the source `name` among `sources` (which includes, imports and extends may name).

    `html` turns autoescape on. `wire="json"` gives texts as they stand inside a JSON string literal.
    `schema` is the schema of the batches to come: with it, coverage is known before the first batch.
    Raises `TemplateError` when the template can never render.
    """
    return CompiledTemplate(
        name, sources, html=html, wire=wire, schema=schema,
        context=context or RenderContext(), limits=limits or Limits(), engine=engine,
    )  # fmt: skip
