"""The fallback: Jinja2, row by row, for one expression or block.

Invariant: it runs only for rows that are active where it stands, over the values of its free names; a
row in which it raises is undecided. Does not report errors: the row-wise engine does, over the whole
row.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2.environment import Template
from markupsafe import Markup

from pipelines.render.frame_protocol import FrameLike
from pipelines.render.ir import Expr
from pipelines.render.kernels.vector import Vec, any_failed, either
from pipelines.render.pruning import Need
from pipelines.render.rowvalues import objects_of
from pipelines.render.sandbox import AMBIENT, ReferenceEnvironment


class RowProgram:
    """Jinja2 code for one expression or block, and the names it reads.

    It is compiled when the first row needs it: much of what lowering tries is given up for a larger piece.
    """

    def __init__(
        self,
        environment: ReferenceEnvironment,
        compiled: Callable[[], Template],
        names: tuple[str, ...],
        ambient: tuple[str, ...] = (),
        needs: Need | None = None,
    ) -> None:
        self.environment = environment
        self.ambient = ambient
        self.needs = needs
        self.names = names
        self._compiled = compiled
        self._template: Template | None = None

    @property
    def template(self) -> Template:
        """The code."""
        if self._template is None:
            self._template = self._compiled()
        return self._template

    def begin(self, row: Sequence[Any]) -> None:
        """Starts a row: its budget, and what the helpers read of it."""
        self.environment.spend()
        AMBIENT.row = dict(zip(self.ambient, row, strict=True)) if self.ambient else None

    def value(self, names: dict[str, Any]) -> Any:
        """The value that an expression's program leaves in `result`."""
        context = self.template.new_context(names)
        for _ in self.template.root_render_func(context):
            pass
        return context.vars["result"]

    def text(self, names: dict[str, Any]) -> str:
        """The text that a block's program emits."""
        return "".join(self.template.root_render_func(self.template.new_context(names)))


def row_values(frame: FrameLike, expr: Expr) -> Vec:
    """Python's value of an expression, for each active row."""
    program: RowProgram = expr.params[0]
    return run(frame, expr.args, program, program.value)


def run(frame: FrameLike, args: tuple[Expr, ...], program: RowProgram, function: Any) -> Vec:
    """The function over the names' values of each active row."""
    bad = either(*(frame.eval(a).bad for a in args))
    wanted = np.ones(frame.size, np.bool_) if frame.active is None else frame.active.copy()
    if bad is not None:
        wanted &= ~bad
    rows = np.nonzero(wanted)[0]
    out: list[Any] = [None] * frame.size
    if len(rows) < frame.size:
        bad = ~wanted
    some = None if len(rows) == frame.size else rows
    titles = (*program.names, *program.ambient)
    count = len(program.names)
    columns = [_objects(frame, a, name, some, program) for a, name in zip(args, titles, strict=True)]
    for row, held in zip(
        rows.tolist(), zip(*columns, strict=True) if columns else [()] * len(rows), strict=True
    ):
        try:
            program.begin(held[count:])
            out[row] = function(dict(zip(program.names, held[:count], strict=True)))
        except Exception:  # reported by the row-wise engine for this row
            bad = np.zeros(frame.size, np.bool_) if bad is None else bad
            bad[row] = True
    return Vec(out, None, bad)


def _objects(frame: FrameLike, expr: Expr, name: str, rows: Any, program: RowProgram) -> list[Any]:
    """A value as Python objects at some rows (all when None)."""
    value = frame.eval(expr)
    size = frame.size if rows is None else len(rows)
    if value.is_scalar:
        return [as_object(value.data.as_py(), expr)] * size
    if rows is not None:
        value = value.take(rows)
    held = _held(value.data, name, program)
    if expr.type.markup:
        held = [as_object(v, expr) for v in held]
    if value.undefined is not None:
        held = list(held)
        for row in np.nonzero(value.undefined)[0].tolist():
            held[row] = program.environment.undefined(name=name)
    return held


def as_object(value: Any, expr: Expr) -> Any:
    """Text that is HTML as Markup."""
    return Markup(value) if expr.type.markup and value is not None else value


def _held(data: Any, name: str, program: RowProgram) -> list[Any]:
    if isinstance(data, list):
        return data
    return objects_of(data, None if program.needs is None else program.needs.get(name))


def as_texts(values: list[Any], finish: Any) -> Any:
    """Objects as text through `finish` (finalize and escape); null where that fails."""
    out: list[str | None] = []
    for value in values:
        try:
            text = str(finish(value))
            text.encode()
            out.append(text)
        except Exception:  # reported by the row-wise engine for this row
            out.append(None)
    return pa.array(out, pa.string())


# Results that a helper remembers; a thousand distinct amounts in a hundred locales.
_MOST_REMEMBERED = 100_000


def _spelling(value: Any) -> Any:
    """Tells apart what is equal and reads otherwise: 1, 1.0 and True; 0.0 and -0.0; 1.5 and 1.50."""
    if isinstance(value, decimal.Decimal) or value == 0:
        return type(value), str(value)
    return type(value)


def helper(frame: FrameLike, expr: Expr) -> Vec:
    """A helper's function over the rows' arguments, remembered for equal ones."""
    call, context_slot = expr.params
    values = [frame.eval(a) for a in expr.args]
    bad = any_failed(*values)
    columns = [v.data.as_py() if v.is_scalar else v.data.to_pylist() for v in values]
    if context_slot is not None:
        columns[context_slot] = call.context
    fixed = [not isinstance(c, list) for c in columns]
    rows = zip(*(repeat(c, frame.size) if f else c for c, f in zip(columns, fixed, strict=True)), strict=True)
    known: dict[Any, Any] = call.known if call.helper.remembered else {}
    if len(known) > _MOST_REMEMBERED:
        known.clear()
    out: list[Any] = []
    for row, held in enumerate(rows):
        key = (held, _spelling(held[0])) if call.helper.remembered else None
        if key is not None and key in known:
            out.append(known[key])
            continue
        try:
            result = call(*held) if bad is None or not bad[row] else None
        except Exception:  # reported by the row-wise engine for this row
            result = None
        out.append(result)
        if result is None:
            bad = np.zeros(frame.size, np.bool_) if bad is None else bad.copy()
            bad[row] = True
        elif key is not None:
            known[key] = result
    return Vec(pa.array(out, expr.type.arrow), None, bad)
