"""Pass 3e, lower output: what an output statement emits, with as little copying as can be.

Invariant: a macro, a branch or a default that is only printed is emitted as statements, not made into a
value first. Does not evaluate anything.
"""

from __future__ import annotations

from jinja2 import nodes
from markupsafe import escape

from pipelines.render import calls, fallback, translation
from pipelines.render.expressions import bind, lower, lower_test, truth
from pipelines.render.inheritance import super_of
from pipelines.render.ir import Abort, Expr, Force, If
from pipelines.render.kernels.text import has_text
from pipelines.render.lowering import Lowering
from pipelines.render.rowerrors import path_of
from pipelines.render.scope import UnvectorisedError


def lower_output(lw: Lowering, node: nodes.Expr) -> None:
    """One part of an output statement."""
    if isinstance(node, nodes.TemplateData):
        lw.emit_text(node.data)
        return
    mark = lw.mark()
    try:
        _output(lw, node)
    except UnvectorisedError as reason:
        lw.reset(mark)
        fallback.output(lw, node, reason)


def _output(lw: Lowering, node: nodes.Expr) -> None:
    try:
        value = lw.constant_of(node)
    except nodes.Impossible:
        pass
    else:
        if value is not None:
            lw.counter.vectorised += 1
            lw.emit_text(str(escape(value)) if lw.html else str(value))
            return
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        _branch(lw, lower_test(lw, node.test), node.expr1, node.expr2)
    elif isinstance(node, (nodes.Or, nodes.And)):
        test = lower_test(lw, node.left)
        first, second = (node.left, node.right) if isinstance(node, nodes.Or) else (node.right, node.left)
        _branch(lw, test, first, second)
    elif (isinstance(node, nodes.Call) and _call(lw, node)) or (
        isinstance(node, nodes.Filter) and node.name in ("default", "d") and _default(lw, node)
    ):
        lw.counter.vectorised += 1
    else:
        emit_value(lw, lower(lw, node), node)


def emit_value(lw: Lowering, value: Expr, node: nodes.Expr, *, named: bool = True) -> None:
    """The text of a value; what was put together only to be printed is printed part by part."""
    if value.name == "concat":
        for part in value.args:
            emit_value(lw, part, node, named=False)
        return
    if value.is_constant and value.type.kind in ("str", "int", "float", "bool"):
        lw.emit_text(str(escape(value.value)) if lw.html else str(value.value))
        return
    if value.type.kind not in ("none", "undefined", "object") and not has_text(value.type):
        raise UnvectorisedError(f"the text of a {value.type.kind}", node.lineno)
    lw.emit_out(value, node, path_of(node) if named else None)


def _branch(lw: Lowering, test: Expr, first: nodes.Expr, second: nodes.Expr) -> None:
    lw.counter.vectorised += 1
    if test.is_constant:
        lower_output(lw, first if test.value else second)
        return
    with lw.within(scope=lw.scope.inner()) as then:
        lower_output(lw, first)
    with lw.within(scope=lw.scope.inner()) as otherwise:
        lower_output(lw, second)
    lw.emit(If(test, then, otherwise))


def _default(lw: Lowering, node: nodes.Filter) -> bool:
    """`{{ value|default(other) }}` of two types: each is printed where it is chosen."""
    if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None or not node.args:
        return False
    if node.kwargs or len(node.args) > 2:
        return False
    bound = bind(lw, node.node)
    if not isinstance(bound, Expr) or bound.is_constant:
        return False
    test = lw.negated(lw.test("is_undefined", (bound,)))
    if len(node.args) == 2 and lw.literal(node.args[1], "boolean of 'default'"):
        test = lw.test("and", (test, truth(lw, bound, node)))
    # A filter's argument is evaluated also where it is not used.
    lw.emit(Force(lower(lw, node.args[0])))
    with lw.within(scope=lw.scope.inner()) as then:
        emit_value(lw, bound, node.node)
    with lw.within(scope=lw.scope.inner()) as otherwise:
        lower_output(lw, node.args[0])
    lw.emit(If(test, then, otherwise))
    return True


def _call(lw: Lowering, node: nodes.Call) -> bool:
    """Calls that emit statements: macros, super(), abort(), translations."""
    macro = calls.macro_of(lw, node)
    if macro is not None:
        with lw.within(scope=lw.scope.inner()) as block:
            calls.inline(lw, macro, node)
        for stmt in block.body:
            lw.emit(stmt)
        return True
    if not isinstance(node.node, nodes.Name) or lw.scope.lookup(node.node.name) is not None:
        return False
    if node.node.name == "super":
        return super_of(lw, node)
    if node.node.name in translation.NAMES:
        return translation.lower_translation(lw, node)
    if node.node.name == "abort" and len(node.args) <= 1 and not node.kwargs:
        reason = lower(lw, node.args[0]) if node.args else lw.constant("aborted")
        if reason.type.kind != "str":
            raise UnvectorisedError("a reason that is no text", node.lineno)
        lw.emit(Abort(reason, lw.place(node)))
        return True
    return False
