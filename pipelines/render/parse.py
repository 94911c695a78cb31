"""Pass 1, parse: Jinja2's own parser, then the allow-list of what a template may contain.

Invariant: a syntax tree that leaves this pass names only filters, tests and globals that exist, reads
no private attribute, and includes, imports and extends only sources that exist, without a cycle. A
template that breaks this raises `TemplateError` with file, line and the closest name. Does not look at
data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError, nodes

from pipelines.render.errors import TemplateError, closest
from pipelines.render.operations import OPERATIONS
from pipelines.render.sandbox import INTERNAL_FILTERS, ReferenceEnvironment

_REFUSED_NAMES = {
    "random": "Use pick(...) or bucket(...), which choose the same for the same message",
    "lipsum": "Write the text out",
}
_CONTENT_PLACES = ("shared/{0}.j2", "shared/{0}.html.j2", "shared/{0}.txt.j2", "shared/{0}", "{0}")


@dataclass(frozen=True, slots=True)
class Parsed:
    """One checked syntax tree and the sources it refers to."""

    name: str
    tree: nodes.Template
    refers_to: tuple[str, ...]


def parse_all(environment: ReferenceEnvironment, name: str, sources: Mapping[str, str]) -> dict[str, Parsed]:
    """The template and everything it reaches, each parsed and checked once."""
    if name not in sources:
        raise TemplateError(name, None, "no such template", closest(name, sources))
    parsed: dict[str, Parsed] = {}
    _parse_into(environment, name, sources, parsed, ())
    return parsed


def _parse_into(
    environment: ReferenceEnvironment,
    name: str,
    sources: Mapping[str, str],
    parsed: dict[str, Parsed],
    path: tuple[str, ...],
) -> None:
    if name in path:
        raise TemplateError(path[-1], None, f"{' → '.join([*path, name])} goes round in a circle")
    if name in parsed:
        return
    tree = parse_one(environment, name, sources)
    one = Parsed(name, tree, tuple(_references(tree)))
    for other in one.refers_to:
        _parse_into(environment, other, sources, parsed, (*path, name))
    parsed[name] = one


def parse_one(environment: ReferenceEnvironment, name: str, sources: Mapping[str, str]) -> nodes.Template:
    """One source as a checked tree; `content_block("x")` has become an include."""
    try:
        tree = environment.parse(sources[name], name, name)
    except TemplateSyntaxError as error:
        raise TemplateError(name, error.lineno, error.message or "syntax error") from None
    except RecursionError:
        raise TemplateError(name, None, "expressions are nested too deeply") from None
    _ContentBlocks(name, sources).visit(tree)
    _Checker(environment, name, sources).check(tree)
    _check_macro_recursion(name, tree)
    return tree


def _references(tree: nodes.Template) -> list[str]:
    found: list[str] = []
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        assert isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))
        assert isinstance(node.template, nodes.Const)
        if node.template.value not in found:
            found.append(node.template.value)
    return found


class _ContentBlocks:
    """Rewrites the output `{{ content_block("name") }}` into an include of a shared source."""

    def __init__(self, name: str, sources: Mapping[str, str]) -> None:
        self.name = name
        self.sources = sources

    def visit(self, node: nodes.Node) -> None:
        for field in node.fields:
            value = getattr(node, field)
            if isinstance(value, list):
                setattr(node, field, self._rewrite(value))
        for child in node.iter_child_nodes():
            self.visit(child)

    def _rewrite(self, body: list[nodes.Node]) -> list[nodes.Node]:
        out: list[nodes.Node] = []
        for node in body:
            if not isinstance(node, nodes.Output) or not any(map(_is_content_block, node.nodes)):
                out.append(node)
                continue
            for child in node.nodes:
                if _is_content_block(child):
                    target = self._target(child)
                    out.append(nodes.Include(nodes.Const(target), True, False, lineno=child.lineno))
                else:
                    out.append(nodes.Output([child], lineno=child.lineno))
        return out

    def _target(self, call: nodes.Expr) -> str:
        assert isinstance(call, nodes.Call)
        if len(call.args) != 1 or call.kwargs or not isinstance(call.args[0], nodes.Const):
            raise TemplateError(self.name, call.lineno, "content_block takes one constant name")
        wanted = str(call.args[0].value)
        for place in _CONTENT_PLACES:
            if place.format(wanted) in self.sources:
                return place.format(wanted)
        hint = closest(f"shared/{wanted}.j2", self.sources)
        raise TemplateError(self.name, call.lineno, f"no shared block {wanted!r}", hint)


def _is_content_block(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name == "content_block"
    )


class _Checker:
    """Walks a tree once and refuses what is not allowed."""

    def __init__(self, environment: ReferenceEnvironment, name: str, sources: Mapping[str, str]) -> None:
        self.environment = environment
        self.name = name
        self.sources = sources

    def check(self, node: nodes.Node) -> None:
        kind = type(node).__name__
        if type(node) not in OPERATIONS:
            raise TemplateError(self.name, node.lineno, f"{kind} is not allowed in a template")
        specific = getattr(self, f"check_{kind.lower()}", None)
        if specific is not None:
            specific(node)
        for child in node.iter_child_nodes():
            self.check(child)

    def _refuse(self, node: nodes.Node, problem: str, hint: str = "") -> None:
        raise TemplateError(self.name, node.lineno, problem, hint)

    def check_filter(self, node: nodes.Filter) -> None:
        if node.name not in self.environment.filters or node.name in INTERNAL_FILTERS:
            hint = _REFUSED_NAMES.get(node.name) or closest(
                node.name, set(self.environment.filters) - INTERNAL_FILTERS
            )
            self._refuse(node, f"unknown filter {node.name!r}", hint)

    def check_test(self, node: nodes.Test) -> None:
        if node.name not in self.environment.tests:
            self._refuse(node, f"unknown test {node.name!r}", closest(node.name, self.environment.tests))

    def check_call(self, node: nodes.Call) -> None:
        if _is_content_block(node):
            self._refuse(node, "content_block is a statement of its own", 'Write {{ content_block("name") }}')
        if isinstance(node.node, nodes.Name) and node.node.name in _REFUSED_NAMES:
            self._refuse(node, f"{node.node.name!r} is not available", _REFUSED_NAMES[node.node.name])

    def check_getattr(self, node: nodes.Getattr) -> None:
        if node.attr.startswith("_"):
            self._refuse(node, f"the attribute {node.attr!r} is private")

    def check_getitem(self, node: nodes.Getitem) -> None:
        if (
            isinstance(node.arg, nodes.Const)
            and isinstance(node.arg.value, str)
            and node.arg.value[:2] == "__"
        ):
            self._refuse(node, f"the attribute {node.arg.value!r} is private")

    def _check_source(self, node: nodes.Node, template: nodes.Expr) -> None:
        if not isinstance(template, nodes.Const) or not isinstance(template.value, str):
            self._refuse(node, "the name of another template must be a constant string")
            return
        if template.value not in self.sources:
            hint = closest(template.value, self.sources)
            self._refuse(node, f"no such template {template.value!r}", hint)

    def check_include(self, node: nodes.Include) -> None:
        self._check_source(node, node.template)

    def check_extends(self, node: nodes.Extends) -> None:
        self._check_source(node, node.template)

    def check_import(self, node: nodes.Import) -> None:
        self._check_source(node, node.template)

    def check_fromimport(self, node: nodes.FromImport) -> None:
        self._check_source(node, node.template)


def _check_macro_recursion(name: str, tree: nodes.Template) -> None:
    """Refuses macros that call each other in a circle, by name."""
    calls: dict[str, set[str]] = {}
    lines: dict[str, int] = {}
    for macro in tree.find_all(nodes.Macro):
        used = {n.name for n in macro.find_all(nodes.Name) if n.ctx == "load"}
        calls[macro.name] = calls.get(macro.name, set()) | used
        lines[macro.name] = macro.lineno
    for start in calls:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for called in calls.get(ahead.pop(), ()):
                if called == start:
                    raise TemplateError(name, lines[start], f"the macro {start!r} calls itself")
                if called in calls and called not in seen:
                    seen.add(called)
                    ahead.append(called)
