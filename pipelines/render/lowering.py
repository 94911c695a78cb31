"""The state of pass 3, lower: where in the template we are, and what is known there.

Invariant: a method either returns a typed expression with Jinja2's semantics or raises
`UnvectorisedError`; the caller then leaves that piece to the row-wise engine. The passes over
expressions and statements are in `expressions` and `statements`; this file only holds what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from jinja2 import Undefined, nodes

from pipelines.render import constants
from pipelines.render.coverage import Counter
from pipelines.render.ir import Block, Builder, Domain, Expr, Out, Place, Stmt, Text
from pipelines.render.parse import Parsed
from pipelines.render.rowwise import json_escaped
from pipelines.render.sandbox import ReferenceEnvironment
from pipelines.render.scope import Scope, UnvectorisedError
from pipelines.render.settings import RenderContext
from pipelines.render.types import BOOL, STR, UNDEFINED, Type, type_of_arrow, type_of_constant

# Macro calls and includes that one template may be made of when they are inlined.
_MOST_INLINED = 1000


class Lowering:
    """Lowers one template for one schema."""

    def __init__(
        self,
        environment: ReferenceEnvironment,
        parsed: Mapping[str, Parsed],
        schema: pa.Schema,
        context: RenderContext,
        *,
        html: bool,
        wire: bool,
    ) -> None:
        self.environment = environment
        self.parsed = parsed
        self.context = context
        self.html = html
        self.wire = wire
        self.builder = Builder()
        self.columns: dict[str, Type] = {f.name: type_of_arrow(f.type) for f in schema}
        self.counter = Counter()
        self.domain: Domain = self.builder.root
        self.scope = Scope()
        self.template = ""
        self.blocks: dict[str, list[tuple[str, nodes.Block]]] = {}
        self.current_block: tuple[str, int] | None = None
        self.root_scope = self.scope
        self.eval_context = nodes.EvalContext(environment, None)
        self.out: list[Stmt] = []
        self.unrolled = 0
        self.inlined = 0
        self._helpers: dict[str, Any] = {}
        self._tables: dict[int, tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = {}

    def place(self, node: nodes.Node) -> Place:
        """Where the node stands in the author's files."""
        return Place(self.template, node.lineno)

    @contextmanager
    def within(
        self,
        *,
        scope: Scope | None = None,
        domain: Domain | None = None,
        template: str | None = None,
        wire: bool | None = None,
    ) -> Iterator[Block]:
        """Collects the statements lowered inside into a block, in another scope, domain or template."""
        held = (self.scope, self.domain, self.template, self.wire, self.out)
        block = Block()
        self.scope = scope or self.scope
        self.domain = domain or self.domain
        self.template = template or self.template
        self.wire = self.wire if wire is None else wire
        self.out = block.body
        try:
            yield block
        finally:
            self.scope, self.domain, self.template, self.wire, self.out = held

    def emit(self, stmt: Stmt) -> None:
        """Appends a statement to the block being lowered."""
        self.out.append(stmt)

    def emit_text(self, text: str) -> None:
        """Static text, escaped for the wire here, once."""
        if text:
            self.emit(Text(json_escaped(text) if self.wire else text))

    def emit_out(self, value: Expr, node: nodes.Node, path: str | None = None) -> None:
        """The text of a value, escaped."""
        text = self.make("output", (value,), STR, self.html, self.wire)
        self.emit(Out(text, value, self.place(node), path))

    def helper_call(self, helper: Any) -> Any:
        """The helper as a kernel's parameter, one for each template."""
        from pipelines.render.helpercalls import Call  # the passes refer to each other

        return self._helpers.setdefault(helper.name, Call(helper, self.context))

    def mark(self) -> tuple[Any, ...]:
        """The state to return to when a statement turns out not to be lowerable."""
        return len(self.out), self.counter.vectorised, len(self.counter.fallbacks), dict(self.scope.names)

    def reset(self, mark: tuple[Any, ...]) -> None:
        """Forgets what was lowered since the mark."""
        del self.out[mark[0] :]
        self.counter.vectorised = mark[1]
        del self.counter.fallbacks[mark[2] :]
        self.scope.names = mark[3]

    def column(self, name: str) -> Expr | None:
        """A column of the batch, where it can be seen."""
        if name not in self.columns or not self.scope.sees_data:
            return None
        return self.builder.make("column", (), self.columns[name], (name,))

    @contextmanager
    def inlining(self, node: nodes.Node) -> Iterator[None]:
        """Bounds how much macros and includes can multiply a template."""
        self.inlined += 1
        if self.inlined > _MOST_INLINED:
            raise UnvectorisedError(f"more than {_MOST_INLINED} macro calls and includes", node.lineno)
        yield

    def constant(self, value: Any) -> Expr:
        """A literal."""
        return self.builder.make("const", (), type_of_constant(value), (value,))

    def make(self, name: str, args: tuple[Expr, ...], shape: Type, *params: Any) -> Expr:
        """An operation over expressions."""
        return self.builder.make(name, args, shape, params)

    def undefined(self) -> Expr:
        """What nothing defines."""
        return self.builder.make("undefined", (), UNDEFINED)

    def table(self, table: dict[Any, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """A constant dict's keys and values, the same objects every time: equal look-ups are one."""
        held = self._tables.setdefault(id(table), (table, tuple(table), tuple(table.values())))
        return held[1], held[2]

    def missing(self) -> Expr:
        """What a value known while compiling does not have."""
        return self.make("missing", (self.constant(1),), UNDEFINED)

    def test(self, name: str, args: tuple[Expr, ...], *params: Any) -> Expr:
        """An operation whose result is a boolean that is never None."""
        return self.builder.make(name, args, BOOL, params)

    def guarded(self, value: Expr, others: Iterable[Expr]) -> Expr:
        """The value, which fails where one of the others does: Jinja2 has evaluated them all."""
        for other in others:
            if not other.is_constant and other.name != "column":
                value = self.make("guard", (value, other), value.type)
        return value

    def negated(self, test: Expr) -> Expr:
        """The opposite of a test."""
        return self.test("not", (test,))

    def constant_of(self, node: nodes.Expr) -> Any:
        """The value of an expression over literals and shared values, computed by Jinja2; raises
        `nodes.Impossible`."""
        if isinstance(node, nodes.Call) or any(True for _ in node.find_all(nodes.Call)):
            raise nodes.Impossible
        is_shared = isinstance(node, nodes.Name) or any(True for _ in node.find_all(nodes.Name))
        if is_shared:
            node = constants.substituted(self, node)
        try:
            value = node.as_const(self.eval_context)
        except Exception:  # a literal whose evaluation fails is left to run time
            raise nodes.Impossible from None
        if isinstance(value, Undefined):
            raise nodes.Impossible
        return constants.plain(value) if is_shared else value

    def literal(self, node: nodes.Expr, what: str) -> Any:
        """The value of an argument that must be a constant to be vectorised."""
        from pipelines.render.expressions import lower  # the passes refer to each other

        try:
            return self.constant_of(node)
        except nodes.Impossible:
            pass
        value = lower(self, node)
        if not value.is_constant:
            raise UnvectorisedError(f"{what} is not a constant", node.lineno)
        return value.value
