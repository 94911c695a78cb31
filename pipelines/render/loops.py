"""Pass 3d, loops: a loop over a list is a domain, a loop over a literal is unrolled.

Invariant: `loop` exists where Jinja2 makes it exist, and each unrolled item is evaluated even where the body
does not use it. Recursive loops, `break` and `continue` are left to the row-wise engine.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from jinja2 import nodes
from jinja2.compiler import find_undeclared

from pipelines.render import constants
from pipelines.render.calls import force
from pipelines.render.expressions import bind, lower, lower_test, truth
from pipelines.render.ir import Block, Domain, Expr, Force, Loop
from pipelines.render.lowering import Lowering
from pipelines.render.scope import Binding, LoopBinding, StaticList, UnvectorisedError
from pipelines.render.types import Type

# Loops over list literals are unrolled up to this many copies of a body in one template.
_MOST_UNROLLED = 400


def unpack(lw: Lowering, target: nodes.Node, value: Binding) -> None:
    """Binds the names of a target."""
    if isinstance(target, nodes.Name):
        lw.scope.bind(target.name, value)
        return
    if (
        isinstance(target, nodes.Tuple)
        and isinstance(value, StaticList)
        and len(value.items) == len(target.items)
    ):
        for inner, item in zip(target.items, value.items, strict=True):
            unpack(lw, inner, item)
        return
    raise UnvectorisedError("unpacking of a value", target.lineno)


def lower_for(lw: Lowering, node: nodes.For) -> None:
    if node.recursive:
        raise UnvectorisedError("a recursive loop", node.lineno)
    for inner in node.body:
        if _leaves_loop(inner):
            raise UnvectorisedError("break or continue", inner.lineno)
    items = _iterable(lw, node.iter)
    if isinstance(items, StaticList):
        force(lw, items)
        _unrolled(lw, node, items if node.test is None else _kept_literals(lw, node, items))
    else:
        _over_items(lw, node, items)


def _leaves_loop(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.Break, nodes.Continue)):
        return True
    return not isinstance(node, nodes.For) and any(_leaves_loop(c) for c in node.iter_child_nodes())


def _iterable(lw: Lowering, node: Any) -> Expr | StaticList:
    shared = constants.looped(lw, node)
    bound = lw.constant(shared) if shared is not None else _range(lw, node) or bind(lw, node)
    if isinstance(bound, Expr) and bound.is_constant and isinstance(bound.value, (list, tuple, range)):
        if len(bound.value) > 100:
            raise UnvectorisedError("a literal of more than 100 items", node.lineno)
        return StaticList(tuple(_constant_items(lw, list(bound.value))))
    if isinstance(bound, StaticList) or (isinstance(bound, Expr) and bound.type.kind == "list"):
        return bound
    raise UnvectorisedError("a loop over something that is no list", node.lineno)


def _constant_items(lw: Lowering, values: list[Any]) -> list[Binding]:
    return [
        StaticList(tuple(_constant_items(lw, list(v)))) if isinstance(v, (list, tuple)) else lw.constant(v)
        for v in values
    ]


def _range(lw: Lowering, node: nodes.Expr) -> Expr | None:
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name) or node.node.name != "range":
        return None
    if (
        lw.scope.lookup("range") is not None
        or "range" in lw.columns
        or node.kwargs
        or not 1 <= len(node.args) <= 2
    ):
        return None
    bounds = [lower(lw, a) for a in node.args]
    if any(b.type.kind != "int" for b in bounds):
        raise UnvectorisedError("a range of something that is no integer", node.lineno)
    if len(bounds) == 1:
        bounds.insert(0, lw.constant(0))
    most = lw.environment.limits.loop_steps
    return lw.builder.make("range", tuple(bounds), Type("list", pa.list_(pa.int64())), (most,))


def _kept_literals(lw: Lowering, node: nodes.For, items: StaticList) -> StaticList:
    """`for x in literal if test`, where the test needs no row."""
    condition: Any = node.test
    kept = []
    for item in items.items:
        with lw.within(scope=lw.scope.inner()):
            unpack(lw, node.target, item)
            test = lower_test(lw, condition)
        if not test.is_constant:
            raise UnvectorisedError("a list literal with a condition", node.lineno)
        if test.value:
            kept.append(item)
    return StaticList(tuple(kept))


def _has_loop(node: nodes.For) -> bool:
    """Whether Jinja2 makes `loop` for this loop: when its own body names it, not when an include does."""
    if any(isinstance(b, nodes.Block) and b.scoped for b in node.find_all(nodes.Block)):
        return True
    return bool(find_undeclared(node.iter_child_nodes(only=("body",)), ("loop",)))


def _unrolled(lw: Lowering, node: nodes.For, items: StaticList) -> None:
    from pipelines.render.statements import lower_body  # the passes refer to each other

    lw.unrolled += len(items.items)
    if lw.unrolled > _MOST_UNROLLED:
        raise UnvectorisedError(
            f"loops over literals of more than {_MOST_UNROLLED} items in all", node.lineno
        )
    for position, item in enumerate(items.items):
        scope = lw.scope.inner()
        if _has_loop(node):
            scope.bind("loop", LoopBinding(None, position, len(items.items)))
        with lw.within(scope=scope) as block:
            unpack(lw, node.target, item)
            lower_body(lw, node.body)
        for stmt in block.body:
            lw.emit(stmt)
    if not items.items:
        with lw.within(scope=lw.scope.inner()) as empty:
            lower_body(lw, node.else_)
        for stmt in empty.body:
            lw.emit(stmt)


def _over_items(lw: Lowering, node: nodes.For, items: Expr) -> None:
    from pipelines.render.statements import lower_body  # the passes refer to each other

    if node.test is not None:
        items = _kept(lw, node, items)
    domain, item = _domain(lw, items)
    scope = lw.scope.inner()
    if _has_loop(node):
        scope.bind("loop", LoopBinding(domain))
    with lw.within(scope=scope, domain=domain) as body:
        unpack(lw, node.target, item)
        lower_body(lw, node.body)
    with lw.within(scope=lw.scope.inner()) as otherwise:
        lower_body(lw, node.else_)
    lw.emit(Force(items))
    lw.emit(Loop(domain, body, otherwise))


def _domain(lw: Lowering, items: Expr) -> tuple[Domain, Expr]:
    domain = lw.builder.over(items, lw.domain)
    return domain, lw.builder.make("item", (), items.type.item, (), domain)


def _kept(lw: Lowering, node: nodes.For, items: Expr) -> Expr:
    """`for x in items if test`: the items for which the test holds."""
    condition: Any = node.test
    domain, item = _domain(lw, items)
    scope = lw.scope.inner()
    with lw.within(scope=scope, domain=domain) as block:
        unpack(lw, node.target, item)
        test = truth(lw, lower_test(lw, condition), node)
    assert isinstance(block, Block)
    return lw.builder.make("filter_items", (items,), items.type, (domain, test), lw.domain)
