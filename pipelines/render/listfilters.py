"""Filters over lists: an expression of the item, over the flat items of all rows.

Invariant: `map`, `select` and their kin are lowered to the same operations as a loop's body, so that
each filter or test that has a kernel works inside them. Does not sort or group.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from jinja2 import nodes

from pipelines.render.ir import Domain, Expr
from pipelines.render.kernels.text import has_text
from pipelines.render.lowering import Lowering
from pipelines.render.scope import Binding, StaticList, UnvectorisedError
from pipelines.render.types import STR, Type

if TYPE_CHECKING:
    from pipelines.render.filters import Use


def static_list(lw: Lowering, bound: Binding, node: nodes.Filter) -> Expr:
    """A list literal as a filter's value, for the filters that can use one."""
    from pipelines.render.expressions import as_text, end_to_end  # the passes refer to each other

    if not isinstance(bound, StaticList):
        raise UnvectorisedError(f"the filter {node.name!r} of something that is no value", node.lineno)
    if node.name in ("length", "count"):
        if not all(isinstance(i, Expr) for i in bound.items):
            raise UnvectorisedError("the length of a nested list literal", node.lineno)
        return lw.guarded(
            lw.constant("x" * len(bound.items)), [i for i in bound.items if isinstance(i, Expr)]
        )
    if node.name == "join" and not node.kwargs and len(node.args) <= 1:
        glue = lw.literal(node.args[0], "the separator") if node.args else ""
        parts: list[Expr] = []
        for item in bound.items:
            if not isinstance(item, Expr) or item.type.markup or not isinstance(glue, str):
                raise UnvectorisedError("a list literal of such items", node.lineno)
            parts += [as_text(lw, item, node), lw.constant(glue)]
        if parts:
            return end_to_end(lw, parts[:-1], as_html=False) if len(parts) > 2 else parts[0]
    raise UnvectorisedError(f"the filter {node.name!r} of a list literal", node.lineno)


def _list_type(use: Use) -> Type:
    if use.value.type.kind != "list":
        raise UnvectorisedError(f"{use.node.name!r} of a {use.value.type.kind}", use.node.lineno)
    return use.value.type


def items_of(lw: Lowering, value: Expr) -> tuple[Domain, Expr]:
    """The domain of a list's items, and the item."""
    domain = lw.builder.over(value, value.domain)
    return domain, lw.builder.make("item", (), value.type.item, (), domain)


def edge(lw: Lowering, use: Use) -> Expr:
    """`first`, `last`."""
    shape = _list_type(use)
    if shape.lazy and use.node.name == "last":
        raise UnvectorisedError("'last' of a generator", use.node.lineno)
    use.constants(lw)
    return lw.make("edge", (use.value,), shape.item, use.node.name)


def join(lw: Lowering, use: Use) -> Expr:
    """`join`."""
    if isinstance(use.node.node, (nodes.List, nodes.Tuple)) and use.value.type.kind == "str":
        return use.value  # `static_list` has joined it
    _list_type(use)
    given = use.constants(lw, "d", "attribute")
    glue = given.get("d", "")
    value = use.value
    if "attribute" in given:
        value = _attributes(lw, value, given["attribute"], use)
    if not has_text(value.type.item) or type(glue) is not str:
        raise UnvectorisedError(f"'join' of {value.type.item.kind}s", use.node.lineno)
    return lw.make("join", (value,), STR, glue)


def total(lw: Lowering, use: Use) -> Expr:
    """`sum`."""
    _list_type(use)
    given = use.constants(lw, "attribute")
    value = use.value
    if given.get("attribute") is not None:
        value = _attributes(lw, value, given["attribute"], use)
    if value.type.item.kind not in ("int", "float"):
        raise UnvectorisedError(f"'sum' of {value.type.item.kind}s", use.node.lineno)
    return lw.make("total", (value,), value.type.item, _SAME_SUM)


def reverse(lw: Lowering, use: Use) -> Expr:
    """`reverse` of a list (of text it is row-wise)."""
    shape = _list_type(use)
    return lw.make("reverse", (use.value,), replace(shape, lazy=True))


def as_list(lw: Lowering, use: Use) -> Expr:
    """`list` of a list."""
    shape = _list_type(use)
    return lw.make("relabel", (use.value,), replace(shape, lazy=False)) if shape.lazy else use.value


# From Python 3.12 on, sum() of floats compensates rounding: there only sums of two addends are the same.
_SAME_SUM = 2 if sys.version_info >= (3, 12) else 2**31


def _attributes(lw: Lowering, value: Expr, path: object, use: Use) -> Expr:
    """The list of an attribute of each item."""
    domain, item = items_of(lw, value)
    return _mapped(lw, value, domain, _path(lw, item, path, use), use)


def _path(lw: Lowering, item: Expr, path: object, use: Use) -> Expr:
    from pipelines.render.lookups import attribute  # the passes refer to each other

    if not isinstance(path, str) or any(part.isdigit() for part in path.split(".")):
        raise UnvectorisedError("an attribute that is no name", use.node.lineno)
    for part in path.split("."):
        item = attribute(lw, item, part, use.node)
    return item


def _mapped(lw: Lowering, value: Expr, domain: Domain, body: Expr, use: Use) -> Expr:
    if body.type.arrow is None or body.type.markup or body.type.kind == "none":
        raise UnvectorisedError(f"a list of {body.type.kind}s", use.node.lineno)
    return lw.builder.make(
        "map_items",
        (value,),
        Type("list", pa.list_(body.type.arrow), lazy=True),
        (domain, body),
        value.domain,
    )


def mapped(lw: Lowering, use: Use) -> Expr:
    """`map('filter', ...)` and `map(attribute='name')`."""
    from pipelines.render.filters import BY_NAME, Use  # the entries refer to each other

    _list_type(use)
    domain, item = items_of(lw, use.value)
    if "attribute" in use.kwargs:
        given = use.constants(lw, "", "attribute", "default")
        if "default" in given:
            raise UnvectorisedError("'map' with a default", use.node.lineno)
        return _mapped(lw, use.value, domain, _path(lw, item, given["attribute"], use), use)
    if not use.args:
        raise UnvectorisedError("'map' without a filter", use.node.lineno)
    name = lw.literal(use.args[0], "the filter's name")
    if name not in BY_NAME:
        raise UnvectorisedError(f"'map' with the filter {name!r}", use.node.lineno)
    call = nodes.Filter(None, name, list(use.args[1:]), [], None, None, lineno=use.node.lineno)
    inner = Use(item, tuple(use.args[1:]), use.kwargs, call)
    return _mapped(lw, use.value, domain, BY_NAME[name].lower(lw, inner), use)


def selected(lw: Lowering, use: Use) -> Expr:
    """`select`, `reject`, `selectattr`, `rejectattr`."""
    shape = _list_type(use)
    if use.kwargs:
        raise UnvectorisedError(f"arguments of {use.node.name!r}", use.node.lineno)
    domain, item = items_of(lw, use.value)
    args = list(use.args)
    if use.node.name.endswith("attr"):
        if not args:
            raise UnvectorisedError("no attribute", use.node.lineno)
        item = _path(lw, item, lw.literal(args.pop(0), "the attribute"), use)
    test = _test(lw, item, args, use)
    if test.domain not in (domain, lw.builder.root):
        raise UnvectorisedError("a test that reads another loop's item", use.node.lineno)
    if use.node.name.startswith("reject"):
        test = lw.negated(test)
    return lw.builder.make(
        "filter_items", (use.value,), replace(shape, lazy=True), (domain, test), use.value.domain
    )


def _test(lw: Lowering, item: Expr, args: list[nodes.Expr], use: Use) -> Expr:
    from pipelines.render.comparisons import lower_test_of
    from pipelines.render.expressions import truth  # the passes refer to each other

    if not args:
        return truth(lw, item, use.node)
    name = lw.literal(args[0], "the test's name")
    return lower_test_of(lw, name, item, args[1:], use.node)
