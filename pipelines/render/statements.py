"""Pass 3d, lower statements: text, output, branches, loops, names, and what stands in for other templates.

Invariant: what cannot be lowered becomes one `Rows` statement or one row-wise expression, never a
changed meaning. Names have Jinja2's scopes. Does not evaluate anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from pipelines.render import fallback, inheritance
from pipelines.render.calls import capture, force, inline
from pipelines.render.expressions import bind, choice, lower_test
from pipelines.render.ir import Expr, If
from pipelines.render.loops import lower_for, unpack
from pipelines.render.lowering import Lowering
from pipelines.render.output import lower_output
from pipelines.render.scope import Binding, MacroBinding, Scope, UnvectorisedError


def lower_body(lw: Lowering, body: list[nodes.Node]) -> None:
    """Statements in order; each that cannot be lowered is left to the row-wise engine alone."""
    at = 0
    while at < len(body):
        run = fallback.namespace_run(body, at)
        if run is not None:
            fallback.statements(lw, body[at:run], UnvectorisedError("a namespace", body[at].lineno))
            at = run
            continue
        lower_stmt(lw, body[at])
        at += 1


def lower_stmt(lw: Lowering, node: nodes.Node) -> None:
    """One statement."""
    handler = STATEMENTS.get(type(node))
    if handler is None:
        raise UnvectorisedError(f"{type(node).__name__} has no lowering", node.lineno)
    if type(node) not in fallback.SELF_CONTAINED:
        handler(lw, node)
        return
    mark = lw.mark()
    try:
        handler(lw, node)
    except UnvectorisedError as reason:
        lw.reset(mark)
        fallback.statements(lw, [node], reason)


def _output(lw: Lowering, node: nodes.Output) -> None:
    for child in node.nodes:
        lower_output(lw, child)


def _if(lw: Lowering, node: nodes.If) -> None:
    branches: list[tuple[Any, list[nodes.Node]]] = [(node.test, node.body)]
    branches += [(inner.test, inner.body) for inner in node.elif_]
    _branches(lw, branches, node.else_)


def _branches(
    lw: Lowering, branches: list[tuple[Any, list[nodes.Node]]], otherwise: list[nodes.Node]
) -> None:
    if not branches:
        lower_body(lw, otherwise)
        return
    (test_node, body), *rest = branches
    test = fallback.test(lw, test_node, lower_test)
    if test.is_constant:
        if test.value:
            lower_body(lw, body)
        else:
            _branches(lw, rest, otherwise)
        return
    then_scope, else_scope = lw.scope.inner(), lw.scope.inner()
    with lw.within(scope=then_scope) as then:
        lower_body(lw, body)
    with lw.within(scope=else_scope) as other:
        _branches(lw, rest, otherwise)
    lw.emit(If(test, then, other))
    _merge(lw, test, then_scope, else_scope, test_node)


def _merge(lw: Lowering, test: Expr, then: Scope, other: Scope, node: nodes.Node) -> None:
    """A name set in a branch keeps, after the `if`, the value of the branch that was taken."""
    for name in dict.fromkeys((*then.names, *other.names)):
        sides: list[Expr] = []
        for scope in (then, other):
            found = scope.names.get(name) or _before(lw, name)
            if not isinstance(found, Expr):
                raise UnvectorisedError(
                    f"{name!r} is set to something that is no plain value in a branch", node.lineno
                )
            sides.append(found)
        lw.scope.bind(name, choice(lw, test, sides[0], sides[1]))


def _before(lw: Lowering, name: str) -> Binding:
    found = lw.scope.lookup(name)
    if found is not None:
        return found
    return lw.column(name) or lw.undefined()


def _assign(lw: Lowering, node: nodes.Assign) -> None:
    source: Any = node.node
    value = fallback.binding(lw, source, bind)
    force(lw, value)
    unpack(lw, node.target, value)


def _assign_block(lw: Lowering, node: nodes.AssignBlock) -> None:
    if not isinstance(node.target, nodes.Name):
        raise UnvectorisedError("a block assigned to an attribute", node.lineno)
    value = _filtered(lw, node.body, node.filter)
    force(lw, value)
    lw.scope.bind(node.target.name, value)


def _filtered(lw: Lowering, body: list[nodes.Node], tag: nodes.Filter | None) -> Expr:
    """A block's text, passed through the filters of its tag."""
    value = capture(lw, lambda: lower_body(lw, body), lw.html)
    if tag is None:
        return value
    scope = lw.scope.inner()
    scope.bind("\0text", value)
    innermost = tag
    chain = [tag]
    while isinstance(innermost.node, nodes.Filter):
        innermost = innermost.node
        chain.append(innermost)
    previous = innermost.node
    innermost.node = nodes.Name("\0text", "load", lineno=tag.lineno)
    try:
        with lw.within(scope=scope) as block:
            out = bind(lw, tag)
    finally:
        innermost.node = previous
    del block
    if not isinstance(out, Expr):
        raise UnvectorisedError("a filter block", tag.lineno)
    return out


def _filter_block(lw: Lowering, node: nodes.FilterBlock) -> None:
    value = _filtered(lw, node.body, node.filter)
    lw.emit_out(value, node)


def _with(lw: Lowering, node: nodes.With) -> None:
    scope = lw.scope.inner()
    for target, value in zip(node.targets, node.values, strict=True):
        bound = fallback.binding(lw, value, bind)
        force(lw, bound)
        with lw.within(scope=scope):
            unpack(lw, target, bound)
    _inside(lw, scope, node.body)


def _inside(lw: Lowering, scope: Scope, body: list[nodes.Node]) -> None:
    with lw.within(scope=scope) as block:
        lower_body(lw, body)
    for stmt in block.body:
        lw.emit(stmt)


def _scope(lw: Lowering, node: nodes.Scope) -> None:
    _inside(lw, lw.scope.inner(), node.body)


def _macro(lw: Lowering, node: nodes.Macro) -> None:
    lw.scope.bind(node.name, MacroBinding(node, lw.scope, lw.template), node)


def _call_block(lw: Lowering, node: nodes.CallBlock) -> None:
    from pipelines.render.calls import macro_of

    macro = macro_of(lw, node.call)
    if macro is None:
        raise UnvectorisedError("a call block of something that is no macro", node.lineno)
    inline(lw, macro, node.call, MacroBinding(node, lw.scope, lw.template))


STATEMENTS: dict[type[nodes.Node], Callable[[Lowering, Any], None]] = {
    nodes.Output: _output,
    nodes.If: _if,
    nodes.For: lower_for,
    nodes.Assign: _assign,
    nodes.AssignBlock: _assign_block,
    nodes.With: _with,
    nodes.Scope: _scope,
    nodes.Macro: _macro,
    nodes.CallBlock: _call_block,
    nodes.FilterBlock: _filter_block,
    nodes.Include: inheritance.lower_include,
    nodes.Import: inheritance.lower_import,
    nodes.FromImport: inheritance.lower_from_import,
    nodes.Block: inheritance.lower_block,
}
