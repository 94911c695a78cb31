"""Pass 3a, lower expressions: a syntax tree becomes typed operations over the batch.

Invariant: `lower` gives an expression whose values, None, Undefined and failures are Jinja2's, or raises
`UnvectorisedError`. `lower_test` is the same for a truth value. Does not emit statements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from pipelines.render import calls, comparisons
from pipelines.render.filters import lower_filter
from pipelines.render.ir import Expr
from pipelines.render.kernels.text import has_text
from pipelines.render.lookups import lower_getattr, lower_getitem
from pipelines.render.lowering import Lowering
from pipelines.render.scope import Binding, ModuleBinding, StaticList, UnvectorisedError
from pipelines.render.types import FLOAT, INT, MARKUP, STR, unified


def bind(lw: Lowering, node: nodes.Expr) -> Binding:
    """What a name can be bound to: an expression, or something known only at compile time."""
    if isinstance(node, nodes.Name):
        found = lw.scope.lookup(node.name)
        if found is not None:
            lw.counter.vectorised += 1
            return found
    if isinstance(node, (nodes.List, nodes.Tuple)):
        lw.counter.vectorised += 1
        return StaticList(tuple(bind(lw, item) for item in node.items))
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        base = lw.scope.lookup(node.node.name)
        if isinstance(base, ModuleBinding):
            return base.scope.names.get(node.attr) or lw.undefined()
    return lower(lw, node)


def lower(lw: Lowering, node: nodes.Expr) -> Expr:
    """The expression's value."""
    before = lw.counter.vectorised
    try:
        value = lw.constant_of(node)
    except nodes.Impossible:
        pass
    else:
        lw.counter.vectorised += 1
        return lw.constant(value)
    handler = VALUES.get(type(node))
    if handler is None:
        raise UnvectorisedError(f"{type(node).__name__} has no kernel", node.lineno)
    try:
        made: Expr = handler(lw, node)
    except UnvectorisedError:
        lw.counter.vectorised = before
        raise
    lw.counter.vectorised += 1
    return made


def lower_test(lw: Lowering, node: nodes.Expr) -> Expr:
    """The expression's truth."""
    if isinstance(node, (nodes.And, nodes.Or)):
        left, right = lower_test(lw, node.left), lower_test(lw, node.right)
        lw.counter.vectorised += 1
        return lw.test("and" if isinstance(node, nodes.And) else "or", (left, right))
    if isinstance(node, nodes.Not):
        lw.counter.vectorised += 1
        return lw.negated(lower_test(lw, node.node))
    bound = bind(lw, node)
    if isinstance(bound, StaticList):
        if not all(isinstance(i, Expr) and i.is_constant for i in bound.items):
            raise UnvectorisedError("the truth of a list literal", node.lineno)
        return lw.constant(bool(bound.items))
    if not isinstance(bound, Expr):
        return lw.constant(True)
    return truth(lw, bound, node)


def truth(lw: Lowering, value: Expr, node: nodes.Node) -> Expr:
    """The truth of a value."""
    if value.is_constant:
        return lw.constant(bool(value.value))
    if value.name in _TESTS:
        return value
    if value.type.lazy:
        raise UnvectorisedError("the truth of a generator", node.lineno)
    return lw.test("truthy", (value,))


# Operations that give a boolean without None.
_TESTS = frozenset(
    [
        "truthy",
        "not",
        "and",
        "or",
        "compare",
        "equal",
        "is_none",
        "is_of_kind",
        "is_in",
        "in_text",
        "affix",
        "is_whole_multiple",
        "contains",
        "is_undefined",
    ]
)


def _name(lw: Lowering, node: nodes.Name) -> Expr:
    bound = lw.scope.lookup(node.name)
    if isinstance(bound, Expr):
        return bound
    if bound is not None:
        raise UnvectorisedError(f"{node.name!r} is not a plain value here", node.lineno)
    column = lw.column(node.name)
    if column is not None:
        return column
    if node.name in lw.environment.constants:
        return lw.constant(lw.environment.constants[node.name])
    if node.name in lw.environment.globals:
        raise UnvectorisedError(f"the function {node.name!r} used as a value", node.lineno)
    return lw.undefined()


def as_text(lw: Lowering, value: Expr, node: nodes.Node) -> Expr:
    """`str(value)`."""
    if value.is_constant:
        return lw.constant(value.value if isinstance(value.value, str) else str(value.value))
    if value.type.kind == "str" and value.name in _NEVER_NONE:
        return value
    if value.type.kind == "none" or has_text(value.type):
        return lw.make("to_text", (value,), STR.with_markup(value.type.markup))
    raise UnvectorisedError(f"the text of a {value.type.kind}", node.lineno)


_NEVER_NONE = frozenset({"to_text", "concat", "capture", "cased", "join", "escape"})


def escaped(lw: Lowering, value: Expr) -> Expr:
    """Text as HTML, unless it is HTML already."""
    if value.type.markup:
        return value
    return lw.make("escape", (value,), MARKUP)


def _concat(lw: Lowering, node: nodes.Concat) -> Expr:
    values = [as_text(lw, lower(lw, part), node) for part in node.nodes]
    return end_to_end(lw, values, as_html=lw.html and any(v.type.markup for v in values))


def end_to_end(lw: Lowering, values: list[Expr], *, as_html: bool) -> Expr:
    """Texts joined; as HTML, what is not HTML yet is escaped."""
    if as_html:
        values = [escaped(lw, v) for v in values]
    return lw.make("concat", tuple(values), MARKUP if as_html else STR)


_OPERATORS = {
    nodes.Add: "add",
    nodes.Sub: "sub",
    nodes.Mul: "mul",
    nodes.Div: "truediv",
    nodes.FloorDiv: "floordiv",
    nodes.Mod: "mod",
}


def _binary(lw: Lowering, node: nodes.BinExpr) -> Expr:
    left, right = lower(lw, node.left), lower(lw, node.right)
    operator = _OPERATORS[type(node)]
    if left.type.is_number and right.type.is_number:
        floats = operator == "truediv" or "float" in (left.type.kind, right.type.kind)
        return lw.make("arithmetic", (left, right), FLOAT if floats else INT, operator)
    if operator == "add" and left.type.kind == right.type.kind == "str":
        return end_to_end(lw, [left, right], as_html=left.type.markup or right.type.markup)
    raise UnvectorisedError(f"{operator} of a {left.type.kind} and a {right.type.kind}", node.lineno)


def _negative(lw: Lowering, node: nodes.Neg) -> Expr:
    value = lower(lw, node.node)
    if not value.type.is_number:
        raise UnvectorisedError(f"minus a {value.type.kind}", node.lineno)
    return lw.make("negative", (value,), FLOAT if value.type.kind == "float" else INT)


def choice(lw: Lowering, test: Expr, then: Expr, otherwise: Expr) -> Expr:
    """One of two values by a test."""
    if test.is_constant:
        return then if test.value else otherwise
    return lw.make("select", (test, then, otherwise), unified(then.type, otherwise.type))


def _conditional(lw: Lowering, node: nodes.CondExpr) -> Expr:
    test = lower_test(lw, node.test)
    otherwise = lw.undefined() if node.expr2 is None else lower(lw, node.expr2)
    return choice(lw, test, lower(lw, node.expr1), otherwise)


def _and_or(lw: Lowering, node: nodes.BinExpr) -> Expr:
    left, right = lower(lw, node.left), lower(lw, node.right)
    test = truth(lw, left, node)
    return choice(lw, test, right, left) if isinstance(node, nodes.And) else choice(lw, test, left, right)


def _not(lw: Lowering, node: nodes.Not) -> Expr:
    return lw.negated(lower_test(lw, node.node))


VALUES: dict[type[nodes.Node], Callable[[Lowering, Any], Expr]] = {
    nodes.Name: _name,
    nodes.Getattr: lower_getattr,
    nodes.Getitem: lower_getitem,
    nodes.Concat: _concat,
    nodes.Add: _binary,
    nodes.Sub: _binary,
    nodes.Mul: _binary,
    nodes.Div: _binary,
    nodes.FloorDiv: _binary,
    nodes.Mod: _binary,
    nodes.Neg: _negative,
    nodes.CondExpr: _conditional,
    nodes.And: _and_or,
    nodes.Or: _and_or,
    nodes.Not: _not,
    nodes.Compare: comparisons.lower_compare,
    nodes.Test: comparisons.lower_is,
    nodes.Filter: lower_filter,
    nodes.Call: calls.lower_call,
}
