"""A compiled template: what the other rooms hold and call.

Invariant: `render` gives one text or one error for each row of the batch, and no row's failure touches
another's. The program is a pure function of name, sources and settings. Does not read files or know
Spark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from jinja2 import nodes

from pipelines.render import constants, helpers, translation
from pipelines.render.coverage import Coverage
from pipelines.render.errors import RowError
from pipelines.render.parse import parse_all
from pipelines.render.program import Program
from pipelines.render.pruning import fields_of, names_any
from pipelines.render.rowwise import RowEngine
from pipelines.render.sandbox import ReferenceEnvironment
from pipelines.render.settings import Limits, RenderContext
from pipelines.render.statics import longest_static

Wire = Literal["text", "json"]
Engine = Literal["compiled", "jinja2"]

# Schemas that one template is compiled for at a time; a job has one or two.
_MOST_SCHEMAS = 16


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
            "html": html,
            "wire": wire,
            "schema": schema,
            "context": context,
            "limits": limits,
            "engine": engine,
        }
        self.name = name
        self.html = html
        self.wire: Wire = wire
        self.engine: Engine = engine
        environment = ReferenceEnvironment(html=html, limits=limits)
        helpers.install(environment, context)
        translation.install(environment, translation.Catalogues(context.catalogues))
        constants.install(environment, context.content)
        parsed = parse_all(environment, name, sources)
        self.sources = {other: sources[other] for other in sorted(parsed)}
        reads_row = names_any((one.tree for one in parsed.values()), translation.READ_THE_ROW)
        ambient = (lambda row: helpers.ambient_of_row(row, context)) if reads_row else None
        self._rows = RowEngine(environment, name, parsed, ambient)
        self.parsed = parsed
        self._context = context
        self._programs: dict[pa.Schema, Program] = {}
        self._last: tuple[pa.Schema, Program] | None = None
        if schema is not None and engine == "compiled":
            self._program(schema.remove_metadata())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.sources, self._arguments)

    def variant(self, *, wire: Wire | None = None, engine: Engine | None = None) -> CompiledTemplate:
        """The same template for another wire or engine; what was parsed and compiled by Jinja2 is shared."""
        other = object.__new__(CompiledTemplate)
        other.__dict__.update(self.__dict__)
        other.wire = wire or self.wire
        other.engine = engine or self.engine
        other._arguments = self._arguments | {"wire": other.wire, "engine": other.engine}
        other._programs, other._last = {}, None
        return other

    @property
    def digest(self) -> str:
        """SHA-256 over the names and texts of the template and all it refers to."""
        held = hashlib.sha256()
        for part in (self.name, *(text for pair in self.sources.items() for text in pair)):
            raw = part.encode("utf-8", "surrogatepass")
            held.update(len(raw).to_bytes(8, "big") + raw)
        return held.hexdigest()

    def fields_of(self, name: str) -> frozenset[str] | None:
        """The fields of this variable that the template, or anything it refers to, can read, helpers included; None:
        all of them."""
        read = fields_of((one.tree for one in self.parsed.values()), name)
        taken = {member for held in helpers.SOURCES.values() for column, member in held if column == name}
        return None if read is None else read | taken

    @property
    def known_names(self) -> frozenset[str]:
        """Names that are no data: functions, and what the templates bind themselves."""
        bound = {"loop", "super", "self", "caller", "varargs", "kwargs", "gettext", "ngettext", "_"}
        for one in self.parsed.values():
            for node in one.tree.find_all((nodes.Name, nodes.Macro, nodes.Import, nodes.FromImport)):
                if (isinstance(node, nodes.Name) and node.ctx in ("store", "param")) or isinstance(
                    node, nodes.Macro
                ):
                    bound.add(node.name)
                elif isinstance(node, nodes.Import):
                    bound.add(node.target)
                elif isinstance(node, nodes.FromImport):
                    bound |= {n[1] if isinstance(n, tuple) else n for n in node.names}
        return frozenset(bound | set(self._rows.environment.globals))

    def _program(self, schema: pa.Schema) -> Program:
        program = self._programs.get(schema)
        if program is None:
            if len(self._programs) >= _MOST_SCHEMAS:
                self._programs.clear()
            program = self._programs[schema] = Program(
                self._rows, self.parsed, schema, self._context, html=self.html, wire_json=self.wire == "json"
            )
        return program

    def _program_of(self, batch: pa.RecordBatch) -> Program:
        """The program for a batch, found without hashing its schema when the last batch had the same."""
        if self._last is None or not self._last[0].equals(batch.schema):
            self._last = (batch.schema, self._program(batch.schema.remove_metadata()))
        return self._last[1]

    def coverage_for(self, schema: pa.Schema) -> Coverage:
        """What share of the template runs as kernels over batches of this schema, and what does not."""
        return self._program(schema.remove_metadata()).coverage

    @property
    def coverage(self) -> Coverage:
        """Coverage for the schema given at compilation, or else for that of the first batch."""
        if not self._programs:
            raise ValueError(
                "coverage depends on the schema: compile with schema=, or call coverage_for(schema)"
            )
        return next(iter(self._programs.values())).coverage

    def longest_static(self, schema: pa.Schema, weight: Callable[[str], int] = len) -> str | None:
        """The static text of the heaviest way through the template; None when all of it is row-wise."""
        block = self._program(schema.remove_metadata()).block
        return None if block is None else longest_static(block, weight)

    @property
    def faults(self) -> tuple[str, ...]:
        """Bugs of the compiler that the row-wise engine stepped in for; empty unless there is one."""
        return tuple(fault for program in self._programs.values() for fault in program.faults)

    def render(self, batch: pa.RecordBatch) -> Rendered:
        """Renders each row; the batch's top-level columns are the template's variables."""
        if self.engine == "jinja2":
            texts, errors = self._rows.render_batch(batch, wire_json=self.wire == "json")
            return Rendered(pa.array(texts, pa.string()), tuple(errors))
        text, found = self._program_of(batch).render(batch)
        return Rendered(text, tuple(found))

    def render_objects(self, rows: Sequence[Mapping[str, Any]]) -> Rendered:
        """Renders rows of plain Python values, which no batch can hold, by Jinja2."""
        texts, errors = self._rows.render_rows(enumerate(rows), wire_json=self.wire == "json")
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
        name,
        sources,
        html=html,
        wire=wire,
        schema=schema,
        context=context or RenderContext(),
        limits=limits or Limits(),
        engine=engine,
    )
