"""Pass 2, resolve: other templates become part of this one while it is compiled.

Invariant: an include is lowered where it stands with the names it sees there, an import is a scope, and
a chain of `extends` is its root with the innermost blocks. What Jinja2 decides only at run time is
refused to the row-wise engine. Does not read sources: `parse` has.
"""

from __future__ import annotations

from jinja2 import nodes

from pipelines.render.lowering import Lowering
from pipelines.render.scope import MacroBinding, ModuleBinding, Scope, UnvectorisedError

# What may stand beside `extends` in a child template: anything that emits nothing.
_SILENT = (
    nodes.Extends,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Macro,
    nodes.Import,
    nodes.FromImport,
    nodes.Block,
)


def lower_template(lw: Lowering, name: str) -> None:
    """The whole template: its own body, or its root's with the blocks of the chain."""
    from pipelines.render.statements import lower_body, lower_stmt  # the passes refer to each other

    scope = lw.scope
    while True:
        tree = lw.parsed[name].tree
        for block in tree.find_all(nodes.Block):
            lw.blocks.setdefault(block.name, []).append((name, block))
        parent = _extends(tree)
        if parent is None:
            break
        with lw.within(scope=scope, template=name) as silent:
            for stmt in tree.body:
                if isinstance(stmt, nodes.Output) and all(
                    isinstance(c, nodes.TemplateData) for c in stmt.nodes
                ):
                    if not _comes_after(tree, stmt) and any(c.data for c in stmt.nodes):  # type: ignore[attr-defined]  # checked above
                        raise UnvectorisedError("text before extends", stmt.lineno)
                    continue
                if not isinstance(stmt, _SILENT):
                    raise UnvectorisedError("a statement beside extends", stmt.lineno)
                if not isinstance(stmt, (nodes.Extends, nodes.Block)):
                    lower_stmt(lw, stmt)
        for made in silent.body:
            lw.emit(made)
        name = parent
    with lw.within(scope=scope, template=name) as block_of_root:
        lower_body(lw, tree.body)
    for made in block_of_root.body:
        lw.emit(made)


def _extends(tree: nodes.Template) -> str | None:
    found = [s for s in tree.body if isinstance(s, nodes.Extends)]
    if len(list(tree.find_all(nodes.Extends))) != len(found) or len(found) > 1:
        raise UnvectorisedError("extends inside a statement", tree.lineno)
    if not found:
        return None
    assert isinstance(found[0].template, nodes.Const)
    return str(found[0].template.value)


def _comes_after(tree: nodes.Template, stmt: nodes.Node) -> bool:
    for other in tree.body:
        if isinstance(other, nodes.Extends):
            return True
        if other is stmt:
            return False
    return False


def lower_block(lw: Lowering, node: nodes.Block) -> None:
    """A block: the innermost definition of it. It sees the template's names, not a loop's, unless scoped."""
    if node.required:
        raise UnvectorisedError("a required block", node.lineno)
    _block(lw, node.name, 0, lw.scope if node.scoped else lw.root_scope)


def _block(lw: Lowering, name: str, level: int, scope: Scope) -> None:
    from pipelines.render.statements import lower_body  # the passes refer to each other

    template, definition = lw.blocks[name][level]
    held, lw.current_block = lw.current_block, (name, level)
    with lw.within(scope=scope.inner(), template=template) as block:
        lower_body(lw, definition.body)
    lw.current_block = held
    for stmt in block.body:
        lw.emit(stmt)


def super_of(lw: Lowering, node: nodes.Call) -> bool:
    """`{{ super() }}`: the same block as the template above defines it."""
    if lw.current_block is None or node.args or node.kwargs:
        return False
    name, level = lw.current_block
    if level + 1 >= len(lw.blocks[name]):
        return False
    _block(lw, name, level + 1, lw.root_scope)
    return True


def lower_include(lw: Lowering, node: nodes.Include) -> None:
    """An included template, which sees the names of this place."""
    from pipelines.render.statements import lower_body  # the passes refer to each other

    assert isinstance(node.template, nodes.Const)
    name = str(node.template.value)
    tree = lw.parsed[name].tree
    if any(True for _ in tree.find_all((nodes.Extends, nodes.Block))):
        raise UnvectorisedError("an included template with blocks", node.lineno)
    scope = lw.scope.inner() if node.with_context else Scope(isolated=True)
    with lw.inlining(node), lw.within(scope=scope, template=name) as block:
        lower_body(lw, tree.body)
    for stmt in block.body:
        lw.emit(stmt)


def _module(lw: Lowering, name: str, with_context: bool, node: nodes.Node) -> Scope:
    """An imported template's top-level names. What it emits is dropped, as Jinja2 drops it."""
    from pipelines.render.statements import lower_stmt  # the passes refer to each other

    if with_context:
        raise UnvectorisedError("import with context", node.lineno)
    scope = Scope(isolated=True)
    with lw.within(scope=scope, template=name, domain=lw.builder.root) as block:
        for stmt in lw.parsed[name].tree.body:
            if isinstance(stmt, nodes.Output):
                if all(isinstance(c, nodes.TemplateData) for c in stmt.nodes):
                    continue
                raise UnvectorisedError("output in an imported template", stmt.lineno)
            lower_stmt(lw, stmt)
    if any(type(s).__name__ not in ("Force",) for s in block.body):
        raise UnvectorisedError("statements in an imported template", node.lineno)
    return scope


def lower_import(lw: Lowering, node: nodes.Import) -> None:
    """`import x as y`."""
    assert isinstance(node.template, nodes.Const)
    scope = _module(lw, str(node.template.value), node.with_context, node)
    lw.scope.bind(node.target, ModuleBinding(scope, node), node)


def lower_from_import(lw: Lowering, node: nodes.FromImport) -> None:
    """`from x import y as z`."""
    assert isinstance(node.template, nodes.Const)
    scope = _module(lw, str(node.template.value), node.with_context, node)
    for name in node.names:
        source, target = name if isinstance(name, tuple) else (name, name)
        found = scope.names.get(source)
        if found is None:
            raise UnvectorisedError(f"the import of {source!r}, which is not there", node.lineno)
        assert isinstance(found, MacroBinding) or found is not None
        lw.scope.bind(target, found, node)
