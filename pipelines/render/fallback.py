"""Pass 3f, the fallback: one expression or block that Jinja2 renders row by row.

Invariant: it gets the values its free names have at this place, and is counted with its line and
reason. When its names cannot be handed over, `UnvectorisedError` goes on to the statement around it,
and at last to the template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jinja2 import meta, nodes

from pipelines.render.coverage import Fallback
from pipelines.render.ir import Expr, Rows
from pipelines.render.kernels.rows import RowProgram
from pipelines.render.lowering import Lowering
from pipelines.render.pruning import Need, names_any, needs_of
from pipelines.render.rowwise import compile_tree
from pipelines.render.scope import (
    Binding,
    LoopBinding,
    MacroBinding,
    ModuleBinding,
    StaticList,
    UnvectorisedError,
)
from pipelines.render.translation import READ_THE_ROW
from pipelines.render.types import OBJECT

# Statements that leave no name behind and can therefore be rendered on their own.
SELF_CONTAINED = frozenset(
    {nodes.For, nodes.With, nodes.CallBlock, nodes.FilterBlock, nodes.Include, nodes.Scope}
)


def statements(lw: Lowering, body: Sequence[nodes.Node], reason: UnvectorisedError) -> None:
    """Leaves statements to Jinja2."""
    program, values = _program(lw, list(body))
    _count(lw, body, reason)
    lw.emit(Rows(program, values, lw.wire))


def output(lw: Lowering, node: nodes.Expr, reason: UnvectorisedError) -> None:
    """Leaves one part of an output statement to Jinja2."""
    program, values = _program(lw, [nodes.Output([node], lineno=node.lineno)])
    _count(lw, [node], reason)
    lw.emit(Rows(program, values, lw.wire))


def value(lw: Lowering, node: nodes.Expr, reason: UnvectorisedError) -> Expr:
    """Leaves an expression to Jinja2; its value is a Python object for each row."""
    target = nodes.Name("result", "store", lineno=node.lineno)
    program, values = _program(lw, [nodes.Assign(target, node, lineno=node.lineno)])
    _count(lw, [node], reason)
    return lw.builder.make("row_values", values, OBJECT, (program,), lw.domain)


def test(lw: Lowering, node: nodes.Expr, lower_test: Callable[[Lowering, nodes.Expr], Expr]) -> Expr:
    """A truth value, by kernels or by Jinja2."""
    mark = lw.mark()
    try:
        return lower_test(lw, node)
    except UnvectorisedError as reason:
        lw.reset(mark)
        return lw.test("truthy", (value(lw, node, reason),))


def binding(lw: Lowering, node: nodes.Expr, bind: Callable[[Lowering, nodes.Expr], Binding]) -> Binding:
    """What a name is bound to, by kernels or by Jinja2."""
    mark = lw.mark()
    try:
        bound = bind(lw, node)
        if isinstance(bound, Expr) and bound.type.lazy:
            raise UnvectorisedError("a generator bound to a name", node.lineno)
        return bound
    except UnvectorisedError as reason:
        lw.reset(mark)
        return value(lw, node, reason)


def _count(lw: Lowering, body: Sequence[nodes.Node], reason: UnvectorisedError) -> None:
    first = body[0]
    size = sum(1 + sum(1 for _ in _inside(n)) for n in body)
    what = f"{type(first).__name__} … {type(body[-1]).__name__}" if len(body) > 1 else type(first).__name__
    lw.counter.fallbacks.append(Fallback(lw.template, reason.line or first.lineno, what, reason.reason, size))


def _inside(node: nodes.Node) -> list[nodes.Node]:
    return [n for n in node.find_all(nodes.Node) if not isinstance(n, nodes.TemplateData)]


def _program(lw: Lowering, body: list[Any]) -> tuple[RowProgram, tuple[Expr, ...]]:
    """Jinja2 code for the statements, and the values of the names they read."""
    names: dict[str, Expr] = {}
    prelude: dict[int, nodes.Stmt] = {}
    open_names = _free(lw, body)
    seen: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name in seen:
            continue
        seen.add(name)
        found = lw.scope.lookup(name)
        if isinstance(found, Expr):
            names[name] = found
        elif isinstance(found, StaticList):
            names[name] = lw.builder.make("const", (), OBJECT, (_plain(found, body[0]),))
        elif isinstance(found, LoopBinding):
            names[name] = _loop(lw, found, body)
        elif isinstance(found, (MacroBinding, ModuleBinding)):
            open_names |= _define(lw, name, found, prelude, body[0])
        else:
            column = lw.column(name)
            if column is not None:
                names[name] = column
    if any(isinstance(n, nodes.Name) and n.name in ("super", "self") for part in body for n in _inside(part)):
        raise UnvectorisedError("super or self in a row-wise block", body[0].lineno)
    tree = nodes.Template([*prelude.values(), *body], lineno=1)
    row = _ambient(lw, tree)
    made = RowProgram(
        lw.environment,
        partial(compile_tree, lw.environment, tree, lw.template),
        tuple(names),
        tuple(row),
        _needs(lw, tree),
    )
    return made, (*names.values(), *row.values())


def _needs(lw: Lowering, tree: nodes.Template) -> Need:
    """The fields that the tree and all it includes read."""
    trees: list[nodes.Node] = [tree]
    for include in tree.find_all(nodes.Include):
        assert isinstance(include.template, nodes.Const)
        trees += [one.tree for one in lw.parsed.values()]
    return needs_of(trees)


def _ambient(lw: Lowering, tree: nodes.Node) -> dict[str, Expr]:
    """What helpers in the tree, or in anything it refers to, need of the row."""
    from pipelines.render.helpercalls import ambient
    from pipelines.render.helpers import AMBIENT_NAMES  # the passes refer to each other

    uses = any(
        isinstance(n, (nodes.Include, nodes.Import, nodes.FromImport)) for n in tree.find_all(nodes.Stmt)
    )
    uses = uses or names_any([tree], READ_THE_ROW)
    return {name: ambient(lw, name) for name in AMBIENT_NAMES} if uses else {}


def _free(lw: Lowering, body: list[Any]) -> set[str]:
    """The names that statements read from outside, also those of templates they include."""
    tree = nodes.Template(body, lineno=1)
    tree.set_environment(lw.environment)
    found = set(meta.find_undeclared_variables(tree))
    for include in tree.find_all(nodes.Include):
        assert isinstance(include.template, nodes.Const)
        found |= _free(lw, list(lw.parsed[include.template.value].tree.body))
    return found


def _plain(bound: Binding, node: nodes.Node) -> Any:
    if isinstance(bound, StaticList):
        return [_plain(item, node) for item in bound.items]
    if isinstance(bound, Expr) and bound.is_constant:
        return bound.value
    raise UnvectorisedError("a list literal of computed values in a row-wise piece", node.lineno)


# What a row-wise piece inside a vectorised loop can read of `loop`.
_LOOP_FIELDS = frozenset(
    {"index", "index0", "first", "last", "length", "revindex", "revindex0", "depth", "depth0"}
)


def _loop(lw: Lowering, loop: LoopBinding, body: list[Any]) -> Expr:
    if loop.domain is None:
        raise UnvectorisedError("loop in a row-wise piece of an unrolled loop", body[0].lineno)
    tree = nodes.Template(body, lineno=1)
    plain = sum(
        isinstance(n.node, nodes.Name) and n.node.name == "loop" and n.attr in _LOOP_FIELDS
        for n in tree.find_all(nodes.Getattr)
    )
    if plain < sum(n.name == "loop" for n in tree.find_all(nodes.Name)):
        raise UnvectorisedError("loop itself in a row-wise piece", body[0].lineno)
    return lw.builder.make("loop_object", (), OBJECT, (), loop.domain)


def _define(
    lw: Lowering,
    name: str,
    found: MacroBinding | ModuleBinding,
    prelude: dict[int, nodes.Stmt],
    node: nodes.Node,
) -> set[str]:
    """Adds the statement that defines a macro or module; gives the names that it reads itself."""
    origin = lw.scope.origin(name)
    if origin is None:
        raise UnvectorisedError(f"{name!r} in a row-wise piece", node.lineno)
    prelude[id(origin)] = origin
    if not isinstance(origin, nodes.Macro):
        return set()
    assert isinstance(found, MacroBinding)
    free = _free(lw, [origin])
    for inner in free:
        if found.scope.lookup(inner) is not lw.scope.lookup(inner):
            raise UnvectorisedError(f"{name!r}, which reads {inner!r} from elsewhere", node.lineno)
    return free


def namespace_run(body: Sequence[nodes.Node], at: int) -> int | None:
    """The end of the statements that share a `namespace(...)` which starts at `at`, if one does."""
    first = body[at]
    if not (
        isinstance(first, nodes.Assign)
        and isinstance(first.node, nodes.Call)
        and isinstance(first.node.node, nodes.Name)
        and first.node.node.name == "namespace"
        and isinstance(first.target, nodes.Name)
    ):
        return None
    names = {first.target.name}
    end = at + 1
    grown = True
    while grown:
        grown = False
        for position in range(end, len(body)):
            if names & _used(body[position]):
                end, grown = position + 1, True
        for stmt in body[at:end]:
            if isinstance(stmt, nodes.Assign) and isinstance(stmt.target, nodes.Name):
                names.add(stmt.target.name)
            elif isinstance(
                stmt, (nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport, nodes.Block, nodes.If)
            ):
                names |= _stored(stmt)
    return end


def _used(node: nodes.Node) -> set[str]:
    own = {node.name} if isinstance(node, (nodes.Name, nodes.NSRef)) else set()
    return own | {
        n.name for n in node.find_all((nodes.Name, nodes.NSRef)) if isinstance(n, (nodes.Name, nodes.NSRef))
    }


def _stored(node: nodes.Node) -> set[str]:
    found = {n.name for n in node.find_all(nodes.Name) if n.ctx == "store"}
    if isinstance(node, nodes.Macro):
        found.add(node.name)
    return found
