"""Which fields a template reads, so that row-wise rendering converts no others to Python.

Invariant: a field that a template can see in any way is kept; in doubt everything under a name is. Does
not look at data or types.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from jinja2 import nodes

from pipelines.render.sandbox import METHODS

# The fields needed of a value; ALL where the value itself is used. "[]" stands for a list's items.
Need = dict[str, Any]
ALL = "\0all"
_ITEMS = "[]"
_KEEPS_ITEMS = frozenset({"sort", "list", "reverse"})


def needs_of(trees: Iterable[nodes.Node]) -> Need:
    """The needs of the top-level names that the trees read."""
    needs: Need = {}
    for tree in trees:
        _walk(tree, {}, needs)
    return needs


def fields_of(trees: Iterable[nodes.Node], name: str) -> frozenset[str] | None:
    """The fields that the trees read of one top-level name; None: it is used as a whole, or by a computed key."""
    needs = needs_of(trees).get(name, {})
    return None if ALL in needs or _ITEMS in needs else frozenset(needs)


def names_any(trees: Iterable[nodes.Node], names: Container[str]) -> bool:
    """Whether a tree names one of these: as a variable, a filter, or the text that `map` takes for a filter."""
    for tree in trees:
        for node in tree.find_all((nodes.Filter, nodes.Name, nodes.Const)):
            said = node.value if isinstance(node, nodes.Const) else getattr(node, "name", None)
            if isinstance(said, str) and said in names:
                return True
    return False


def _mark(needs: Need, path: tuple[str, ...], *, whole: bool) -> None:
    for step in path:
        needs = needs.setdefault(step, {})
    if whole:
        needs[ALL] = {}


def _path(node: nodes.Node, aliases: dict[str, tuple[str, ...]], needs: Need) -> tuple[str, ...] | None:
    """The path that an expression is, noting what its filters read of the items."""
    if isinstance(node, nodes.Name):
        return aliases.get(node.name, (node.name,))
    if isinstance(node, nodes.Getattr):
        inner = _path(node.node, aliases, needs)
        if inner is not None and node.attr in METHODS[dict]:
            # It may be the method, which sees every field.
            _mark(needs, inner, whole=True)
        return None if inner is None else (*inner, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner = _path(node.node, aliases, needs)
        if inner is None or not isinstance(node.arg.value, (str, int)):
            return None
        if node.arg.value in METHODS[dict]:
            _mark(needs, inner, whole=True)
        return (*inner, node.arg.value if isinstance(node.arg.value, str) else _ITEMS)
    if isinstance(node, nodes.Filter) and node.name in _KEEPS_ITEMS and node.node is not None:
        return _filtered(node, aliases, needs)
    return None


def _filtered(node: nodes.Filter, aliases: dict[str, tuple[str, ...]], needs: Need) -> tuple[str, ...] | None:
    assert node.node is not None
    inner = _path(node.node, aliases, needs)
    if inner is None or node.name != "sort":
        return inner
    for pair in node.kwargs:
        if (
            pair.key == "attribute"
            and isinstance(pair.value, nodes.Const)
            and isinstance(pair.value.value, str)
        ):
            for attribute in pair.value.value.split(","):
                _mark(needs, (*inner, _ITEMS, *attribute.split(".")), whole=True)
            return inner
    return None


def _walk(node: nodes.Node, aliases: dict[str, tuple[str, ...]], needs: Need) -> None:
    if isinstance(node, nodes.For):
        _loop(node, aliases, needs)
        return
    if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        path = _path(node, aliases, needs)
        if path is not None:
            _mark(needs, path, whole=True)
            return
    for child in node.iter_child_nodes():
        _walk(child, aliases, needs)


def _loop(node: nodes.For, aliases: dict[str, tuple[str, ...]], needs: Need) -> None:
    path = _path(node.iter, aliases, needs)
    # An included template or a block could read the item by name.
    opaque = any(True for _ in node.find_all((nodes.Include, nodes.Block)))
    inside = dict(aliases)
    for target in [node.target, *node.target.find_all(nodes.Name)]:
        if isinstance(target, nodes.Name):
            inside.pop(target.name, None)
    if path is None or opaque or not isinstance(node.target, nodes.Name):
        _walk(node.iter, aliases, needs)
    else:
        _mark(needs, (*path, _ITEMS), whole=False)
        inside[node.target.name] = (*path, _ITEMS)
    for child in (*node.body, *([node.test] if node.test is not None else [])):
        _walk(child, inside, needs)
    for child in node.else_:
        _walk(child, aliases, needs)
