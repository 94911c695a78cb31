"""Pass 4: a template lowered for one schema, run over batches.

Invariant: rows that the kernels leave undecided are rendered by the row-wise engine and by nothing
else; texts are null exactly where there is an error. Does not keep anything between batches but the
helpers' memory.
"""

from __future__ import annotations

import traceback
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.coverage import Coverage, Fallback
from pipelines.render.errors import RowError
from pipelines.render.execute import Run
from pipelines.render.frame import Frame
from pipelines.render.inheritance import lower_template
from pipelines.render.ir import Block, Force, If, Loop, Rows, Stmt, Text
from pipelines.render.kernels.vector import TooLargeError
from pipelines.render.lowering import Lowering
from pipelines.render.parse import Parsed
from pipelines.render.rowvalues import rows_of
from pipelines.render.rowwise import RowEngine
from pipelines.render.scope import UnvectorisedError
from pipelines.render.settings import RenderContext

_MOST_FAULTS = 20


class Program:
    """A template for batches of one schema."""

    def __init__(
        self,
        engine: RowEngine,
        parsed: dict[str, Parsed],
        schema: pa.Schema,
        context: RenderContext,
        *,
        html: bool,
        wire_json: bool,
    ) -> None:
        self.engine = engine
        self.wire_json = wire_json
        lowering = Lowering(engine.environment, parsed, schema, context, html=html, wire=wire_json)
        self.domain = lowering.builder.root
        self.block: Block | None = None
        # Faults of the compiler itself, for which the reference stepped in: always empty, unless there is a bug.
        self.faults: list[str] = []
        try:
            with lowering.within() as block:
                lower_template(lowering, engine.name)
            self.block = tidied(block)
            if {type(s) for s in self.block.body} in ({Rows}, {Rows, Text}):
                # Nothing dynamic is vectorised: one call a row costs less than one for each piece.
                self.block = None
            self.coverage = lowering.counter.coverage()
        except UnvectorisedError as reason:
            size = sum(1 for _ in parsed[engine.name].tree.find_all(_counted()))
            place = Fallback(engine.name, reason.line or 1, "Template", reason.reason, size)
            self.coverage = Coverage(0, size, (place,))

    def render(self, batch: pa.RecordBatch) -> tuple[pa.Array, list[RowError]]:
        """The text or the error of each row."""
        if self.block is None or batch.num_rows == 0:
            texts, errors = self.engine.render_batch(batch, wire_json=self.wire_json)
            return _strings(texts), errors
        try:
            return self._render(batch, self.block)
        except (TooLargeError, MemoryError, pa.ArrowCapacityError):
            if batch.num_rows == 1:
                texts, errors = self.engine.render_batch(batch, wire_json=self.wire_json)
                return _strings(texts), errors
            return self._in_halves(batch)
        except Exception as fault:  # a bug in a kernel must not cost anybody's message: the reference renders
            self._note_fault(fault)
            texts, errors = self.engine.render_batch(batch, wire_json=self.wire_json)
            return _strings(texts), errors

    def _note_fault(self, fault: Exception) -> None:
        # The message could quote a customer's data: only the kind and the place are kept.
        where = traceback.extract_tb(fault.__traceback__)[-1]
        note = f"{type(fault).__name__} in {where.name} line {where.lineno}"
        if note not in self.faults and len(self.faults) < _MOST_FAULTS:
            self.faults.append(note)

    def _render(self, batch: pa.RecordBatch, block: Block) -> tuple[pa.Array, list[RowError]]:
        run = Run(Frame.of_batch(self.domain, batch), self.engine.environment.limits.loop_steps)
        text = run.text(block)
        run.frame.release()
        most = self.engine.environment.limits.output_bytes
        if text.null_count == 0 and text.nbytes <= most:
            return text, []
        long = pc.greater(pc.binary_length(text), most)
        if long.null_count or long.true_count:
            return self._decided(batch, text, pc.fill_null(long, True), run.known)
        return text, []

    def _decided(
        self, batch: pa.RecordBatch, text: pa.Array, open_rows: pa.Array, known: dict[int, RowError]
    ) -> tuple[pa.Array, list[RowError]]:
        """The rows that the kernels did not decide, by what is known or by Jinja2."""
        undecided = pc.indices_nonzero(open_rows).to_pylist()
        asked = [row for row in undecided if row not in known]
        rows = rows_of(batch.take(pa.array(asked, pa.int64())), self.engine.needs) if asked else []
        texts, errors = self.engine.render_rows(zip(asked, rows, strict=True), wire_json=self.wire_json)
        by_row = dict(zip(asked, texts, strict=True))
        if any(t is not None for t in texts) or long_ones(text, open_rows):
            spelled = pa.array([by_row.get(row) for row in undecided], text.type)
            text = pc.replace_with_mask(text, open_rows, spelled)
        return text, sorted([*errors, *(known[r] for r in undecided if r in known)], key=lambda e: e.row)

    def _in_halves(self, batch: pa.RecordBatch) -> tuple[pa.Array, list[RowError]]:
        half = batch.num_rows // 2
        first, errors = self.render(batch.slice(0, half))
        second, more = self.render(batch.slice(half))
        moved = [RowError(e.row + half, e.template, e.line, e.variable, e.kind, e.message) for e in more]
        parts = [first.cast(pa.large_string()), second.cast(pa.large_string())]
        return pa.concat_arrays(parts), [*errors, *moved]


def long_ones(text: pa.Array, open_rows: pa.Array) -> bool:
    """Whether a row that is to be decided has a text, which is then too long."""
    return bool(text.null_count < open_rows.true_count)


def _strings(texts: list[str | None]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except pa.ArrowCapacityError:
        return pa.array(texts, pa.large_string())


def _counted() -> Any:
    from jinja2 import nodes

    return nodes.Expr


def tidied(block: Block) -> Block:
    """Static texts that stand side by side become one; what can do nothing goes."""
    out: list[Stmt] = []
    for stmt in block.body:
        if isinstance(stmt, Text) and out and isinstance(out[-1], Text):
            out[-1] = Text(out[-1].text + stmt.text)
            continue
        if isinstance(stmt, If):
            stmt = If(stmt.test, tidied(stmt.then), tidied(stmt.otherwise))
        elif isinstance(stmt, Loop):
            stmt = Loop(stmt.domain, tidied(stmt.body), tidied(stmt.otherwise))
        elif isinstance(stmt, Force) and stmt.value.is_constant:
            continue
        out.append(stmt)
    return Block(out)
