"""A row's exception as data: its kind, its place in the author's files, the variable and the message.

Invariant: every exception gets one of the closed set of kinds, and a place. Does not render.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateRuntimeError, UndefinedError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError

from pipelines.render.errors import AbortError, ErrorKind, LimitError, RowError
from pipelines.render.sandbox import ReferenceEnvironment


def row_error(
    index: int,
    row: Mapping[str, Any],
    error: Exception,
    name: str,
    trees: Mapping[str, nodes.Template],
    environment: ReferenceEnvironment,
) -> RowError:
    """The exception as data, with its place in the innermost template."""
    template, line = _place(error, name)
    variable = _variable(error, trees.get(template), line, row, environment)
    return RowError(index, template, line, variable, kind_of(error), _message(error, variable))


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
        return f"{variable} is None" if text == _WAS_PRINTED and variable else text
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


# What `sandbox.refuse_none` says.
_WAS_PRINTED = "the value is None"
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
    if _WAS_PRINTED in str(error):
        for output in tree.find_all(nodes.Output):
            for part in output.nodes:
                if part.lineno == line and path_of(part) and _is_missing(part, row, environment):
                    return path_of(part)
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
