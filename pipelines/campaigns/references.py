"""Which shared templates a campaign reaches, found by parsing, so that a bundle carries those and no others.

A template that does not parse, or that names another by an expression, reaches everything: leaving out is
never a guess. Whether a name exists is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jinja2 import Environment, TemplateSyntaxError, meta, nodes

from pipelines.campaigns.parts import SHARED_FOLDER

_PARSER = Environment(
    extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True
)


def reachable(own: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
    """The entries of `shared` that the campaign's own templates reach, directly or through one another."""
    reached: dict[str, str] = {}
    waiting = list(own.values())
    while waiting:
        for name in referenced(waiting.pop()):
            names = [name] if name is not None else list(shared)
            for found in names:
                if found in shared and found not in reached:
                    reached[found] = shared[found]
                    waiting.append(shared[found])
    return dict(sorted(reached.items()))


def parse(source: str) -> nodes.Template | None:
    """The syntax tree of a template, or None when it does not parse."""
    try:
        return _PARSER.parse(source)
    except (TemplateSyntaxError, RecursionError):
        return None


def referenced(source: str) -> Iterator[str | None]:
    """The names of templates a source extends, includes, imports or places as blocks; None for any."""
    tree = parse(source)
    if tree is None:
        yield None
        return
    yield from meta.find_referenced_templates(tree)
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "content_block" and call.args:
            name = call.args[0]
            yield from _block_paths(str(name.value)) if isinstance(name, nodes.Const) else (None,)


def tables_named(texts: Iterable[str]) -> set[str] | None:
    """The reference tables that templates name, `content.<name>` or `content["name"]`; None for any."""
    named: set[str] = set()
    for text in texts:
        tree = parse(text)
        if tree is None:
            return None
        uses = sum(name.name == "content" and name.ctx == "load" for name in tree.find_all(nodes.Name))
        found = [*filter(None, map(_table, (*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem))))]
        named.update(found)
        uses -= len(found)
        if uses:
            return None
    return named


def _table(node: nodes.Expr) -> str | None:
    if not isinstance(node, (nodes.Getattr, nodes.Getitem)):
        return None
    if not isinstance(node.node, nodes.Name) or node.node.name != "content":
        return None
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


def _block_paths(name: str) -> tuple[str, ...]:
    return tuple(f"{SHARED_FOLDER}/{name}{ending}" for ending in (".j2", ".html.j2", ".txt.j2", ""))
