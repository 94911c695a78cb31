"""Pass 3a, lower look-ups: attributes, items, slices, and the fields of `loop`.

Invariant: a field of the data comes before anything else of that name. Does not read methods: `calls` does.
"""

from __future__ import annotations

from jinja2 import nodes

from pipelines.render import comparisons, constants
from pipelines.render.ir import Expr
from pipelines.render.lowering import Lowering
from pipelines.render.sandbox import METHODS
from pipelines.render.scope import LoopBinding, ModuleBinding, StaticList, UnvectorisedError
from pipelines.render.types import BOOL, INT, UNDEFINED, type_of_arrow


def lower_getattr(lw: Lowering, node: nodes.Getattr) -> Expr:
    """`a.b`."""
    from pipelines.render.expressions import lower  # the passes refer to each other

    if isinstance(node.node, nodes.Name):
        base = lw.scope.lookup(node.node.name)
        if isinstance(base, LoopBinding):
            return loop_attribute(lw, base, node.attr, node)
        if isinstance(base, ModuleBinding):
            found = base.scope.names.get(node.attr)
            if isinstance(found, Expr):
                return found
            raise UnvectorisedError("a macro used as a value", node.lineno)
    return attribute(lw, lower(lw, node.node), node.attr, node)


def attribute(lw: Lowering, base: Expr, name: str, node: nodes.Node) -> Expr:
    """`base.name`, where a field of the data comes before anything else."""
    kind = base.type.kind
    if kind == "struct":
        assert base.type.arrow is not None
        at = base.type.arrow.get_field_index(name)
        if at >= 0:
            return lw.make("field", (base,), type_of_arrow(base.type.arrow.field(at).type), name)
        if name in METHODS[dict]:
            raise UnvectorisedError(f"the method {name!r} of a struct", node.lineno)
        return lw.make("missing", (base,), UNDEFINED)
    if kind in ("none", "undefined"):
        return lw.make("missing", (base,), UNDEFINED)
    if base.is_constant and isinstance(base.value, (dict, list)):
        found = constants.member(lw, base, name)
        if found is not None:
            return found
    raise UnvectorisedError(f"the attribute {name!r} of a {kind}", node.lineno)


def loop_attribute(lw: Lowering, loop: LoopBinding, name: str, node: nodes.Node) -> Expr:
    """`loop.index` and its kin."""
    if name in ("depth", "depth0"):
        # Of recursive loops only; those are row-wise.
        return lw.constant(int(name == "depth"))
    if loop.domain is not None:
        if name in ("index", "index0", "revindex", "revindex0", "length"):
            return lw.builder.make("loop_field", (), INT, (name,), loop.domain)
        if name in ("first", "last"):
            return lw.builder.make("loop_field", (), BOOL, (name,), loop.domain)
        if name in ("previtem", "nextitem"):
            assert loop.domain.items is not None
            return lw.builder.make("neighbour", (), loop.domain.items.type.item, (name,), loop.domain)
        raise UnvectorisedError(f"loop.{name}", node.lineno)
    at, length = loop.position, loop.length
    known = {
        "index": at + 1,
        "index0": at,
        "first": at == 0,
        "last": at == length - 1,
        "length": length,
        "revindex": length - at,
        "revindex0": length - at - 1,
    }
    if name not in known:
        raise UnvectorisedError(f"loop.{name}", node.lineno)
    return lw.constant(known[name])


def lower_getitem(lw: Lowering, node: nodes.Getitem) -> Expr:
    """`a[b]`."""
    from pipelines.render.expressions import bind, lower  # the passes refer to each other

    bound = bind(lw, node.node)
    if isinstance(bound, StaticList):
        at = lw.literal(node.arg, "the position")
        if isinstance(at, int) and -len(bound.items) <= at < len(bound.items):
            item = bound.items[at]
            if isinstance(item, Expr) and all(isinstance(i, Expr) for i in bound.items):
                return lw.guarded(item, [i for i in bound.items if isinstance(i, Expr)])
        raise UnvectorisedError("an item of a list literal", node.lineno)
    if not isinstance(bound, Expr):
        raise UnvectorisedError("an item of something that is no value", node.lineno)
    if isinstance(node.arg, nodes.Slice):
        return _slice(lw, bound, node.arg)
    if bound.is_constant and isinstance(bound.value, dict):
        return comparisons.lookup(lw, bound.value, lower(lw, node.arg), node)
    if bound.type.lazy:
        raise UnvectorisedError("an item of a generator", node.lineno)
    if bound.type.kind == "list":
        position = lower(lw, node.arg)
        if position.type.kind != "int":
            raise UnvectorisedError("a list's item by something other than an integer", node.lineno)
        return lw.make("index", (bound, position), bound.type.item)
    wanted = lw.literal(node.arg, "the key")
    if isinstance(wanted, str):
        return attribute(lw, bound, wanted, node)
    raise UnvectorisedError(f"an item of a {bound.type.kind}", node.lineno)


def _slice(lw: Lowering, base: Expr, node: nodes.Slice) -> Expr:
    if node.step is not None or base.type.lazy:
        raise UnvectorisedError("a slice with a step", node.lineno)
    start, stop = (
        None if part is None else lw.literal(part, "a slice's bound") for part in (node.start, node.stop)
    )
    for bound in (start, stop):
        if bound is not None and (
            not isinstance(bound, int) or isinstance(bound, bool) or abs(bound) > 2**31
        ):
            raise UnvectorisedError("a slice's bound that is no integer", node.lineno)
    if base.type.kind == "list":
        return lw.make("slice_list", (base,), base.type, start, stop)
    if base.type.kind == "str":
        if (start or 0) >= 0 and (stop is None or stop >= (start or 0)):
            return lw.make("slice_text", (base,), base.type, start or 0, stop)
        return lw.make("distinct", (base,), base.type, Sliced(start, stop))
    raise UnvectorisedError(f"a slice of a {base.type.kind}", node.lineno)


class Sliced:
    """`text[start:stop]` as a function with equality, so that equal slices are one expression."""

    def __init__(self, start: int | None, stop: int | None) -> None:
        self.bounds = (start, stop)

    def __call__(self, text: str) -> str:
        return text[self.bounds[0] : self.bounds[1]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sliced) and other.bounds == self.bounds

    def __hash__(self) -> int:
        return hash(self.bounds)
