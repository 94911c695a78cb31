"""The row-wise engine: one call of sandboxed Jinja2 for each row.

Invariant: this is the reference. Its text and its errors define what the compiled kernels must produce;
it also renders the rows that kernels leave undecided. Does not vectorise anything and shares no state
between rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
from jinja2 import UndefinedError, nodes
from jinja2.environment import Template
from jinja2.visitor import NodeTransformer

from pipelines.render.errors import LimitError, RowError, TemplateError
from pipelines.render.parse import Parsed
from pipelines.render.pruning import ALL, needs_of
from pipelines.render.rowerrors import row_error
from pipelines.render.rowvalues import rows_of
from pipelines.render.sandbox import AMBIENT, AMBIENT_PATHS, ReferenceEnvironment


def json_escaped(text: str) -> str:
    """The text as it stands inside a JSON string literal."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


class _Bounded(NodeTransformer):
    """Makes loops count their steps, and checks texts that grow by being put together."""

    # The visitor calls methods by the nodes' names.
    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - see above
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "bounded_steps", [], [], None, None, lineno=node.iter.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - see above
        self.generic_visit(node)
        return _checked(node)

    def visit_Call(self, node: nodes.Call) -> nodes.Filter:  # noqa: N802 - see above
        self.generic_visit(node)
        return _checked(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:  # noqa: N802 - see above
        self.generic_visit(node.call)
        for field in ("args", "defaults", "body"):
            setattr(node, field, self._all(getattr(node, field)))
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:  # noqa: N802 - see above
        self.generic_visit(node)
        node.filter = _checked(node.filter, node.lineno)
        return node

    def _all(self, held: list[nodes.Node]) -> list[nodes.Node]:
        return [self.visit(one) for one in held]


def _checked(node: nodes.Expr | None, line: int | None = None) -> nodes.Filter:
    where = line if node is None else node.lineno
    return nodes.Filter(node, "bounded_text", [], [], None, None, lineno=where)


class RowEngine:
    """One template and its references, compiled by Jinja2."""

    def __init__(
        self,
        environment: ReferenceEnvironment,
        name: str,
        parsed: Mapping[str, Parsed],
        ambient: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None,
    ) -> None:
        self.ambient = ambient
        self.environment = environment
        self.name = name
        self.trees = {other: one.tree for other, one in parsed.items()}
        self.templates: dict[str, Template] = {}
        environment.load = self._load
        for other in self.trees:
            self._load(other)
        self.template = self._load(name)
        self.needs = needs_of(self.trees.values())
        for column, member in AMBIENT_PATHS if ambient is not None else ():
            self.needs.setdefault(column, {}).setdefault(member, {ALL: {}})

    def _load(self, name: str) -> Template:
        if name not in self.templates:
            self.templates[name] = compile_tree(self.environment, self.trees[name], name)
        return self.templates[name]

    def render_row(self, row: Mapping[str, Any]) -> str:
        """The text of one row; whatever Jinja2 raises is raised."""
        self.environment.spend()
        AMBIENT.row = None if self.ambient is None else self.ambient(row)
        context = self.template.new_context(dict(row))
        chunks: list[str] = []
        size = 0
        most = self.environment.limits.output_bytes
        for chunk in self.template.root_render_func(context):
            size += len(chunk)
            if size > most:
                raise LimitError(f"the message is larger than {most} bytes")
            chunks.append(chunk)
        text = "".join(chunks)
        if 4 * size > most and len(text.encode()) > most:
            raise LimitError(f"the message is larger than {most} bytes")
        return text

    def render_batch(
        self, batch: pa.RecordBatch, *, wire_json: bool
    ) -> tuple[list[str | None], list[RowError]]:
        """The text or the error of each row of a batch."""
        return self.render_rows(enumerate(rows_of(batch, self.needs)), wire_json=wire_json)

    def render_rows(
        self, rows: Iterable[tuple[int, Mapping[str, Any]]], *, wire_json: bool
    ) -> tuple[list[str | None], list[RowError]]:
        """The text or the error of each (index, row), in order."""
        texts: list[str | None] = []
        errors: list[RowError] = []
        for index, row in rows:
            try:
                text = self.render_row(row)
                text.encode()
                texts.append(json_escaped(text) if wire_json else text)
            except Exception as error:  # every failure of a row's template is that row's data
                texts.append(None)
                errors.append(row_error(index, row, error, self.name, self.trees, self.environment))
        return texts, errors


def compile_tree(environment: ReferenceEnvironment, tree: nodes.Template, name: str) -> Template:
    """A Jinja2 template from a checked tree, with its loops bounded."""
    bounded = _Bounded().visit(_copied(tree))
    bounded.set_environment(environment)
    try:
        code = environment.compile(bounded, name, name)
    except UndefinedError as error:  # Jinja2 folds constants, and fails when one is undefined
        raise TemplateError(name, None, f"a constant expression is undefined: {error.message}") from None
    # A plain dict: Jinja2's own chain of dicts is gone through in Python for each row.
    return Template.from_code(environment, code, dict(environment.globals), None)


def _copied(tree: nodes.Template) -> nodes.Template:
    """A deep copy without the environment, which every node refers to."""

    def copy(node: nodes.Node) -> nodes.Node:
        made = object.__new__(type(node))
        for field in node.fields:
            value = getattr(node, field)
            if isinstance(value, list):
                value = [copy(v) if isinstance(v, nodes.Node) else v for v in value]
            elif isinstance(value, nodes.Node):
                value = copy(value)
            setattr(made, field, value)
        for attribute in node.attributes:
            setattr(made, attribute, getattr(node, attribute, None))
        return made

    made = copy(tree)
    assert isinstance(made, nodes.Template)
    return made
