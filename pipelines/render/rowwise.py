"""The row-wise engine: one call of sandboxed Jinja2 for each row.

Invariant: this is the reference. Its text and its errors define what the compiled kernels must produce;
it also renders the rows that kernels leave undecided. Does not vectorise anything and shares no state
between rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
from jinja2 import TemplateRuntimeError, UndefinedError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.visitor import NodeTransformer

from pipelines.render.errors import AbortError, ErrorKind, LimitError, RowError, TemplateError
from pipelines.render.parse import Parsed
from pipelines.render.pruning import ALL, needs_of
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
        ambient: Callable[[Mapping[str, Any]], Mapping[str, Any]],
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
        for column, member in AMBIENT_PATHS:
            self.needs.setdefault(column, {}).setdefault(member, {ALL: {}})

    def _load(self, name: str) -> Template:
        if name not in self.templates:
            self.templates[name] = compile_tree(self.environment, self.trees[name], name)
        return self.templates[name]

    def render_row(self, row: Mapping[str, Any]) -> str:
        """The text of one row; whatever Jinja2 raises is raised."""
        self.environment.spend()
        AMBIENT.row = self.ambient(row)
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
                errors.append(self.row_error(index, row, error))
        return texts, errors

    def row_error(self, index: int, row: Mapping[str, Any], error: Exception) -> RowError:
        """The exception as data, with its place in the innermost template."""
        template, line = _place(error, self.name)
        variable = _variable(error, self.trees.get(template), line, row, self.environment)
        return RowError(index, template, line, variable, kind_of(error), _message(error, variable))


def compile_tree(environment: ReferenceEnvironment, tree: nodes.Template, name: str) -> Template:
    """A Jinja2 template from a checked tree, with its loops bounded."""
    bounded = _Bounded().visit(_copied(tree))
    bounded.set_environment(environment)
    try:
        code = environment.compile(bounded, name, name)
    except UndefinedError as error:  # Jinja2 folds constants, and fails when one is undefined
        raise TemplateError(name, None, f"a constant expression is undefined: {error.message}") from None
    return Template.from_code(environment, code, environment.make_globals(None), None)


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


def kind_of(error: BaseException) -> ErrorKind:
    """The closed set of reasons that a row can fail for."""
    if isinstance(error, AbortError):
        return "abort"
    if isinstance(error, (LimitError, RecursionError, MemoryError)):
        return "limit"
    if isinstance(error, UndefinedError):
        return "undefined"
    if isinstance(error, SecurityError):
        return "security"
    if isinstance(error, (TypeError, AttributeError, TemplateRuntimeError)):
        return "type"
    return "value"


def _message(error: Exception, variable: str | None) -> str:
    if isinstance(error, (AbortError, UndefinedError, LimitError)):
        text = error.message or type(error).__name__
        return f"{variable} is None" if text == "the value is None" and variable else text
    return f"{type(error).__name__}: {error}"


def _place(error: Exception, name: str) -> tuple[str, int | None]:
    """The innermost template and line on the exception's way up."""
    found: tuple[str, int | None] = (name, None)
    step = error.__traceback__
    while step is not None:
        template = step.tb_frame.f_globals.get("__jinja_template__")
        if template is None and "__jinja_template__" in step.tb_frame.f_locals:
            template = step.tb_frame.f_locals["__jinja_template__"]
        if isinstance(template, Template):
            found = (template.name or name, template.get_corresponding_lineno(step.tb_lineno))
        step = step.tb_next
    return found


_UNDEFINED_NAME = re.compile(r"'(\w+)' is undefined$")


def path_of(node: nodes.Node) -> str | None:
    """`a.b.c` for an attribute path, else None."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        inner = path_of(node.node)
        return None if inner is None else f"{inner}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner = path_of(node.node)
        return None if inner is None else f"{inner}[{node.arg.value!r}]"
    return None


def _variable(
    error: Exception,
    tree: nodes.Template | None,
    line: int | None,
    row: Mapping[str, Any],
    environment: ReferenceEnvironment,
) -> str | None:
    """The path on the failing line that is undefined or None in this row, when there is one."""
    if not isinstance(error, (UndefinedError, TypeError)) or tree is None:
        return None
    named = _UNDEFINED_NAME.match(str(error))
    if named:
        return named[1]
    missing: str | None = None
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        path = path_of(node)
        if node.lineno != line or path is None or getattr(node, "ctx", "load") != "load":
            continue
        if _is_missing(node, row, environment) and (missing is None or not missing.startswith(path)):
            missing = missing or path
    return missing


def _is_missing(node: nodes.Node, row: Mapping[str, Any], environment: ReferenceEnvironment) -> bool:
    try:
        value = _follow(node, row, environment)
    except Exception:  # a path through a missing value: its shorter prefix is reported
        return False
    return value is None or environment.undefined is type(value)


def _follow(node: nodes.Node, row: Mapping[str, Any], environment: ReferenceEnvironment) -> Any:
    if isinstance(node, nodes.Name):
        if node.name in row:
            return row[node.name]
        if node.name in environment.globals:
            return environment.globals[node.name]
        raise KeyError(node.name)
    if isinstance(node, nodes.Getattr):
        return environment.getattr(_follow(node.node, row, environment), node.attr)
    assert isinstance(node, nodes.Getitem)
    assert isinstance(node.arg, nodes.Const)
    return environment.getitem(_follow(node.node, row, environment), node.arg.value)
