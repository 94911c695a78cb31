"""Pass 3c, lower calls: macros are inlined where they are called, methods and helpers have kernels.

Invariant: arguments are evaluated before the body, once, as in Jinja2. Does not inline a macro that
uses `varargs` or `kwargs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import nodes

from pipelines.render.ir import Block, Expr, Force
from pipelines.render.lowering import Lowering
from pipelines.render.scope import (
    Binding,
    LoopBinding,
    MacroBinding,
    ModuleBinding,
    StaticList,
    UnvectorisedError,
)
from pipelines.render.types import INT, MARKUP, STR

# Methods of text that are evaluated as the filter or operation of the same meaning.
_CASED = {
    "upper": "upper",
    "lower": "lower",
    "capitalize": "capitalize",
    "strip": "trim",
    "lstrip": "ltrim",
    "rstrip": "rtrim",
}


def macro_of(lw: Lowering, node: nodes.Call) -> MacroBinding | None:
    """The macro that is called, when it is one."""
    found: Binding | None = None
    if isinstance(node.node, nodes.Name):
        found = lw.scope.lookup(node.node.name)
    elif isinstance(node.node, nodes.Getattr) and isinstance(node.node.node, nodes.Name):
        module = lw.scope.lookup(node.node.node.name)
        if isinstance(module, ModuleBinding):
            found = module.scope.names.get(node.node.attr)
    return found if isinstance(found, MacroBinding) else None


def lower_call(lw: Lowering, node: nodes.Call) -> Expr:
    """A call whose value is used in an expression."""
    from pipelines.render.helpercalls import lower_helper  # the passes refer to each other

    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise UnvectorisedError("a call with * or **", node.lineno)
    macro = macro_of(lw, node)
    if macro is not None:
        return capture(lw, lambda: inline(lw, macro, node), lw.html)
    if isinstance(node.node, nodes.Getattr):
        if isinstance(node.node.node, nodes.Name):
            loop = lw.scope.lookup(node.node.node.name)
            if isinstance(loop, LoopBinding) and node.node.attr == "cycle":
                return _cycle(lw, loop, node)
        return _method(lw, node, node.node)
    if isinstance(node.node, nodes.Name) and lw.scope.lookup(node.node.name) is None:
        if lw.column(node.node.name) is not None:
            raise UnvectorisedError("a call of data", node.lineno)
        return lower_helper(lw, node.node.name, node)
    raise UnvectorisedError("a call of something that is no function", node.lineno)


def capture(lw: Lowering, fill: Callable[[], None], as_html: bool) -> Expr:
    """The text of statements as a value."""
    with lw.within(scope=lw.scope.inner(), wire=False) as block:
        fill()
    return lw.builder.make("capture", (), MARKUP if as_html else STR, (BlockKey(block),), lw.domain)


class BlockKey:
    """A block as a parameter: equal only to itself."""

    def __init__(self, block: Block) -> None:
        self.block = block


def inline(lw: Lowering, macro: MacroBinding, node: nodes.Call, caller: MacroBinding | None = None) -> None:
    """Emits the macro's body with its parameters bound."""
    from pipelines.render.expressions import bind
    from pipelines.render.statements import lower_body  # the passes refer to each other

    definition = macro.node
    _refuse_open_arguments(definition, node)
    given: dict[str, Binding] = {}
    parameters = [a.name for a in definition.args]
    if len(node.args) > len(parameters) or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise UnvectorisedError("a macro called with more arguments than it names", node.lineno)
    for name, argument in zip(parameters, node.args, strict=False):
        given[name] = _evaluated(lw, bind(lw, argument))
    for pair in node.kwargs:
        if pair.key not in parameters or pair.key in given:
            raise UnvectorisedError(f"the macro's argument {pair.key!r}", node.lineno)
        given[pair.key] = _evaluated(lw, bind(lw, pair.value))
    scope = macro.scope.inner()
    defaults = dict(
        zip(parameters[len(parameters) - len(definition.defaults) :], definition.defaults, strict=True)
    )
    with lw.inlining(node), lw.within(scope=scope, template=macro.template) as block:
        scope.bind("caller", caller if caller is not None else lw.undefined())
        for name in parameters:
            if name in given:
                scope.bind(name, given[name])
            elif name in defaults:
                scope.bind(name, _evaluated(lw, bind(lw, defaults[name])))
            else:
                scope.bind(name, lw.undefined())
        lower_body(lw, definition.body)
    for stmt in block.body:
        lw.emit(stmt)


def _refuse_open_arguments(definition: nodes.Macro | nodes.CallBlock, node: nodes.Call) -> None:
    for name in definition.find_all(nodes.Name):
        if name.name in ("varargs", "kwargs"):
            raise UnvectorisedError("a macro that uses varargs or kwargs", node.lineno)


def _evaluated(lw: Lowering, bound: Binding) -> Binding:
    """Makes a failure in an argument count even where the body does not use it."""
    for value in _values(bound):
        if value.type.lazy:
            raise UnvectorisedError("a generator as an argument")
        for part in _failing(value):
            lw.emit(Force(part))
    return bound


def _failing(value: Expr) -> Iterable[Expr]:
    """The expressions whose failures are the value's: a text that is only put together need not be made for it."""
    if value.name == "concat" and all(a.is_constant or a.name in ("to_text", "cased") for a in value.args):
        for part in value.args:
            yield from _failing(part)
    elif not value.is_constant and value.name not in ("column", "item", "undefined"):
        yield value


def _values(bound: Binding) -> Iterable[Expr]:
    if isinstance(bound, Expr):
        yield bound
    elif isinstance(bound, StaticList):
        for item in bound.items:
            yield from _values(item)


def force(lw: Lowering, bound: Binding) -> None:
    """Evaluates a binding where it stands."""
    _evaluated(lw, bound)


def _cycle(lw: Lowering, loop: LoopBinding, node: nodes.Call) -> Expr:
    from pipelines.render.expressions import choice, lower  # the passes refer to each other
    from pipelines.render.lookups import loop_attribute  # the passes refer to each other

    if not node.args or node.kwargs:
        raise UnvectorisedError("loop.cycle without values", node.lineno)
    values = [lower(lw, a) for a in node.args]
    if loop.domain is None:
        return lw.guarded(values[loop.position % len(values)], values)
    at = lw.make(
        "arithmetic", (loop_attribute(lw, loop, "index0", node), lw.constant(len(values))), INT, "mod"
    )
    out = values[-1]
    for position in reversed(range(len(values) - 1)):
        out = choice(lw, lw.test("equal", (at, lw.constant(position))), values[position], out)
    return lw.guarded(out, values)


def _method(lw: Lowering, node: nodes.Call, target: nodes.Getattr) -> Expr:
    """A method of text, a date or a constant dict."""
    from pipelines.render.comparisons import lookup
    from pipelines.render.expressions import choice, lower  # the passes refer to each other
    from pipelines.render.filters import _PYTHON

    base = lower(lw, target.node)
    name = target.attr
    if node.kwargs:
        raise UnvectorisedError(f"keyword arguments of the method {name!r}", node.lineno)
    if base.is_constant and isinstance(base.value, dict) and name == "get" and 1 <= len(node.args) <= 2:
        found = lookup(lw, base.value, lower(lw, node.args[0]), node)
        other = lower(lw, node.args[1]) if len(node.args) == 2 else lw.constant(None)
        return lw.guarded(choice(lw, lw.test("is_undefined", (found,)), other, found), [other])
    if base.type.kind == "str" and not base.type.markup:
        if name in _CASED and not node.args:
            return lw.make("cased", (base,), base.type, _CASED[name], _PYTHON[_CASED[name]])
        if name in ("startswith", "endswith") and len(node.args) == 1:
            affix = lw.literal(node.args[0], "the text")
            if isinstance(affix, str):
                return lw.test("affix", (base,), name, affix)
        if name == "title" and not node.args:
            return lw.make("distinct", (base,), STR, str.title)
        if name == "replace" and len(node.args) == 2:
            old, new = (lw.literal(a, "the text") for a in node.args)
            if type(old) is str and type(new) is str and old:
                return lw.make("replace", (base,), STR, old, new)
    if base.type.kind in ("date", "timestamp") and name in ("strftime", "isoformat"):
        args = tuple(lw.literal(a, "the format") for a in node.args)
        if (name == "isoformat" and not args) or (
            len(args) == 1 and isinstance(args[0], str) and name == "strftime"
        ):
            return lw.make("distinct", (base,), STR, DateMethod(name, args))
    raise UnvectorisedError(f"the method {name!r} of a {base.type.kind}", node.lineno)


class DateMethod:
    """A method of a date with its arguments, as a function of one value; equal uses are equal."""

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.key = (name, args)

    def __call__(self, value: Any) -> Any:
        return getattr(value, self.key[0])(*self.key[1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DateMethod) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)
