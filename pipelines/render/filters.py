"""Filters that have kernels: one entry each.

Invariant: an entry's lowering gives what Jinja2's own filter gives on every value, or raises
`UnvectorisedError`. A filter without an entry is rendered row by row. To add one: a function here and
its line in `FILTERS`, with examples that the tests run through both engines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from pipelines.render import helpercalls, helpers, listfilters
from pipelines.render.functions import FUNCTIONS, Applied
from pipelines.render.ir import Expr
from pipelines.render.lowering import Lowering
from pipelines.render.scope import UnvectorisedError
from pipelines.render.types import FLOAT, INT, MARKUP, STR, Type


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a filter: its value, arguments and place."""

    value: Expr
    args: tuple[nodes.Expr, ...]
    kwargs: Mapping[str, nodes.Expr]
    node: nodes.Filter

    def constants(self, lw: Lowering, *names: str) -> dict[str, Any]:
        """The arguments by name, each a constant."""
        if len(self.args) > len(names) or any(k not in names for k in self.kwargs):
            raise UnvectorisedError(f"arguments of {self.node.name!r}", self.node.lineno)
        given = dict(zip(names, self.args, strict=False)) | dict(self.kwargs)
        return {key: lw.literal(held, f"{key} of {self.node.name!r}") for key, held in given.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """A filter's name, how it becomes operations, and example uses of `value` for the tests."""

    name: str
    lower: Callable[[Lowering, Use], Expr]
    examples: tuple[str, ...]


def lower_filter(lw: Lowering, node: nodes.Filter) -> Expr:
    """A filter's value, when it has an entry."""
    from pipelines.render.expressions import bind  # the passes refer to each other

    entry = BY_NAME.get(node.name)
    if node.dyn_args is not None or node.dyn_kwargs is not None or node.node is None:
        raise UnvectorisedError(f"arguments of {node.name!r}", node.lineno)
    if entry is None and node.name not in helpers.BY_NAME:
        raise UnvectorisedError(f"the filter {node.name!r} has no kernel", node.lineno)
    value = bind(lw, node.node)
    if entry is None:
        if not isinstance(value, Expr):
            raise UnvectorisedError(f"{node.name!r} of something that is no value", node.lineno)
        return helpercalls.lower_helper(lw, node.name, node, value)
    if not isinstance(value, Expr):
        value = listfilters.static_list(lw, value, node)
    use = Use(value, tuple(node.args), _by_key(node), node)
    return entry.lower(lw, use)


def _by_key(node: nodes.Filter) -> dict[str, nodes.Expr]:
    pairs: list[Any] = list(node.kwargs)
    return {pair.key: pair.value for pair in pairs}


def need(use: Use, *kinds: str) -> Type:
    """The value's type, which must be one of these kinds."""
    shape = use.value.type
    if shape.kind not in kinds or shape.lazy:
        raise UnvectorisedError(f"{use.node.name!r} of a {shape.kind}", use.node.lineno)
    return shape


def _cased(name: str) -> Callable[[Lowering, Use], Expr]:
    def lowered(lw: Lowering, use: Use) -> Expr:
        shape = need(use, "str")
        chars = use.constants(lw, "chars") if name == "trim" else use.constants(lw)
        if chars:
            raise UnvectorisedError(f"{name!r} of this text", use.node.lineno)
        return lw.make("cased", (use.value,), shape, name, _PYTHON[name])

    return lowered


_PYTHON: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "capitalize": str.capitalize,
    "trim": str.strip,
    "ltrim": str.lstrip,
    "rtrim": str.rstrip,
}


def _function(lw: Lowering, use: Use) -> Expr:
    """A pure function of text, evaluated once for each distinct value."""
    function = FUNCTIONS[use.node.name]
    if use.value.type.kind not in function.kinds or use.value.type.markup:
        raise UnvectorisedError(f"{use.node.name!r} of a {use.value.type.kind}", use.node.lineno)
    arguments = use.constants(lw, *function.arguments)
    applied = Applied(use.node.name, tuple(sorted(arguments.items())), lw.html)
    return lw.make("distinct", (use.value,), function.result_of(lw.html), applied)


def _default(lw: Lowering, use: Use) -> Expr:
    from pipelines.render.expressions import choice, lower, truth  # the passes refer to each other

    given = dict(zip(("default_value", "boolean"), use.args, strict=False)) | dict(use.kwargs)
    otherwise = lower(lw, given["default_value"]) if "default_value" in given else lw.constant("")
    by_truth = "boolean" in given and lw.literal(given["boolean"], "boolean of 'default'")
    missing = lw.test("is_undefined", (use.value,))
    if not by_truth:
        if use.value.is_constant:
            return lw.guarded(use.value, [otherwise])
        return lw.guarded(choice(lw, missing, otherwise, use.value), [otherwise])
    present = lw.test("and", (lw.negated(missing), truth(lw, use.value, use.node)))
    return lw.guarded(choice(lw, present, use.value, otherwise), [otherwise])


def _escape(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "str")
    return use.value if shape.markup else lw.make("escape", (_text(lw, use),), MARKUP)


def _text(lw: Lowering, use: Use) -> Expr:
    from pipelines.render.expressions import as_text  # the passes refer to each other

    return as_text(lw, use.value, use.node)


def _safe(lw: Lowering, use: Use) -> Expr:
    return lw.make("relabel", (_text(lw, use),), MARKUP)


def _string(lw: Lowering, use: Use) -> Expr:
    return _text(lw, use)


def _length(lw: Lowering, use: Use) -> Expr:
    need(use, "str", "list")
    return lw.make("length", (use.value,), INT)


def _replace(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "str")
    given = use.constants(lw, "old", "new", "count")
    old, new = given.get("old"), given.get("new")
    if not isinstance(old, str) or not isinstance(new, str) or not old or "count" in given:
        raise UnvectorisedError("'replace' with these arguments", use.node.lineno)
    if shape.markup or hasattr(old, "__html__") or hasattr(new, "__html__"):
        raise UnvectorisedError("'replace' in HTML", use.node.lineno)
    return lw.make("replace", (use.value,), STR, old, new)


def _absolute(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "int", "float")
    return lw.make("absolute", (use.value,), shape)


def _round(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "int", "float")
    given = use.constants(lw, "precision", "method")
    precision, method = given.get("precision", 0), given.get("method", "common")
    if (
        method not in ("common", "ceil", "floor")
        or not isinstance(precision, int)
        or not -9 <= precision <= 9
    ):
        raise UnvectorisedError("'round' with these arguments", use.node.lineno)
    result = INT if shape.kind == "int" and method == "common" else FLOAT
    return lw.make("round", (use.value,), result, precision, method)


def _int(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "str", "int", "float", "bool")
    given = use.constants(lw, "default", "base")
    if shape.kind == "int" and not given:
        return lw.make("arithmetic", (use.value, lw.constant(0)), INT, "add")
    if shape.kind == "str" and shape.markup:
        raise UnvectorisedError("'int' of HTML", use.node.lineno)
    return lw.make("distinct", (use.value,), INT, Applied("int", tuple(sorted(given.items())), lw.html))


def _float(lw: Lowering, use: Use) -> Expr:
    shape = need(use, "str", "int", "float", "bool")
    given = use.constants(lw, "default")
    if shape.kind == "float" and not given:
        return lw.make("arithmetic", (use.value, lw.constant(0.0)), FLOAT, "sub")
    if shape.kind == "str" and shape.markup:
        raise UnvectorisedError("'float' of HTML", use.node.lineno)
    return lw.make("distinct", (use.value,), FLOAT, Applied("float", tuple(sorted(given.items())), lw.html))


FILTERS: tuple[Entry, ...] = (
    Entry("upper", _cased("upper"), ("value|upper",)),
    Entry("lower", _cased("lower"), ("value|lower",)),
    Entry("capitalize", _cased("capitalize"), ("value|capitalize",)),
    Entry("trim", _cased("trim"), ("value|trim",)),
    Entry("default", _default, ("value|default('x')", "value|default('x', true)", "nothing|default('x')")),
    Entry("d", _default, ("value|d('x', true)",)),
    Entry("escape", _escape, ("value|escape",)),
    Entry("e", _escape, ("value|e",)),
    Entry("safe", _safe, ("value|safe",)),
    Entry("string", _string, ("value|string",)),
    Entry("length", _length, ("value|length",)),
    Entry("count", _length, ("value|count",)),
    Entry("replace", _replace, ("value|replace('a', '<b>')",)),
    Entry("abs", _absolute, ("value|abs",)),
    Entry(
        "round",
        _round,
        ("value|round", "value|round(2)", "value|round(1, 'ceil')", "value|round(1, 'floor')"),
    ),
    Entry("int", _int, ("value|int", "value|int(7)")),
    Entry("float", _float, ("value|float", "value|float(0.5)")),
    Entry("first", listfilters.edge, ("value|first",)),
    Entry("last", listfilters.edge, ("value|last",)),
    Entry("join", listfilters.join, ("value|join(', ')", "value|join")),
    Entry("sum", listfilters.total, ("value|sum",)),
    Entry("reverse", listfilters.reverse, ("value|reverse|join",)),
    Entry("list", listfilters.as_list, ("value|list|join",)),
    Entry("map", listfilters.mapped, ("value|map('upper')|join",)),
    Entry("select", listfilters.selected, ("value|select('defined')|join",)),
    Entry("reject", listfilters.selected, ("value|reject('defined')|join",)),
    Entry("selectattr", listfilters.selected, ()),
    Entry("rejectattr", listfilters.selected, ()),
    *(Entry(f.name, _function, f.examples) for f in FUNCTIONS.values() if f.name not in ("int", "float")),
)

BY_NAME: Mapping[str, Entry] = {entry.name: entry for entry in FILTERS}
