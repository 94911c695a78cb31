"""Pass 3c, lower helpers: their function over the rows' arguments, and what they take from the row.

Invariant: the same function and the same sources of locale, time zone and ids as the row-wise engine uses. Does
not compute anything.
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from pipelines.render import formats
from pipelines.render.helpers import BY_NAME, REQUIRED, SOURCES, Helper
from pipelines.render.ir import Expr
from pipelines.render.lowering import Lowering
from pipelines.render.scope import StaticList, UnvectorisedError
from pipelines.render.settings import RenderContext
from pipelines.render.types import STR


def ambient(lw: Lowering, name: str) -> Expr:
    """The same as an expression."""
    from pipelines.render.expressions import choice  # the passes refer to each other
    from pipelines.render.lookups import attribute  # the passes refer to each other

    default = {"locale": lw.context.locale, "time_zone": lw.context.time_zone}.get(name)
    out = lw.constant(default)
    for column, member in reversed(SOURCES[name]):
        shape = lw.columns.get(column)
        if (
            shape is None
            or shape.kind != "struct"
            or shape.arrow is None
            or shape.arrow.get_field_index(member) < 0
        ):
            continue
        base = lw.builder.make("column", (), shape, (column,))
        value = attribute(lw, base, member, nodes.Name(column, "load", lineno=1))
        if value.type.kind != "str":
            continue
        absent = lw.test("or", (lw.test("is_undefined", (value,)), lw.test("is_none", (value,), False)))
        out = choice(lw, lw.negated(absent), value, out)
    return out


def locale_of(lw: Lowering) -> Expr:
    """The recipient's locale."""
    return ambient(lw, "locale")


class Call:
    """A helper as a kernel's parameter: a function of the arguments' values; equal uses are equal."""

    def __init__(self, helper: Helper, context: RenderContext) -> None:
        self.helper = helper
        self.context = context
        self.known: dict[Any, Any] = {}

    def __call__(self, *values: Any) -> Any:
        return self.helper.function(*values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and other.helper is self.helper and other.context is self.context

    def __hash__(self) -> int:
        return hash((self.helper.name, id(self.context)))


def lower_helper(lw: Lowering, name: str, node: nodes.Call | nodes.Filter, value: Expr | None = None) -> Expr:
    """A helper's value: its function once for each distinct combination of arguments."""
    helper = BY_NAME.get(name)
    if helper is None or helper.is_filter != (value is not None):
        raise UnvectorisedError(f"the function {name!r}", node.lineno)
    given = _given(lw, helper, node, value)
    if helper.name == "pick":
        return _pick(lw, given, node)
    args: list[Expr] = []
    for key, default in helper.arguments:
        if key not in given and default is REQUIRED:
            raise UnvectorisedError(f"{name} without {key}", node.lineno)
        args.append(given.get(key) or lw.constant(default))
    if any(a.type.kind in ("object", "list", "struct", "undefined") for a in args):
        raise UnvectorisedError(f"{name} of such a value", node.lineno)
    args += [lw.constant(None) if a == "context" else ambient(lw, a) for a in helper.ambient]
    if not helper.remembered:
        lw.counter.note(f"{name}: signed row by row in Python (HMAC), without Jinja2")
    slot = helper.ambient.index("context") + len(helper.arguments) if "context" in helper.ambient else None
    return lw.make("helper", tuple(args), helper.result, lw.helper_call(helper), slot)


def _given(
    lw: Lowering, helper: Helper, node: nodes.Call | nodes.Filter, value: Expr | None
) -> dict[str, Expr]:
    from pipelines.render.expressions import bind  # the passes refer to each other

    names = [name for name, _ in helper.arguments]
    held: list[Any] = [] if value is None else [value]
    for argument in node.args:
        bound = bind(lw, argument)
        if isinstance(bound, StaticList) and helper.name == "pick":
            bound = lw.constant(
                [i.value if isinstance(i, Expr) and i.is_constant else None for i in bound.items]
            )
        held.append(bound)
    if len(held) > len(names):
        raise UnvectorisedError(f"arguments of {helper.name}", node.lineno)
    given = dict(zip(names, held, strict=False))
    pairs: list[Any] = list(node.kwargs)
    for pair in pairs:
        if pair.key not in names or pair.key in given:
            raise UnvectorisedError(f"arguments of {helper.name}", node.lineno)
        given[pair.key] = bind(lw, pair.value)
    if not all(isinstance(v, Expr) for v in given.values()):
        raise UnvectorisedError(f"arguments of {helper.name}", node.lineno)
    return given


class Picked:
    """`pick` over constants as a function of the message's id; equal uses are equal."""

    def __init__(self, choices: tuple[str, ...], salt: str) -> None:
        self.key = (choices, salt)

    def __call__(self, message_id: str) -> Any:
        return formats.pick(self.key[0], self.key[1], message_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picked) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


def _pick(lw: Lowering, given: dict[str, Expr], node: nodes.Call | nodes.Filter) -> Expr:
    choices, salt = given.get("choices"), given.get("salt") or lw.constant("")
    if (
        choices is None
        or not choices.is_constant
        or not salt.is_constant
        or not isinstance(choices.value, (list, tuple))
    ):
        raise UnvectorisedError("pick of something that is no literal", node.lineno)
    if not choices.value or not all(type(c) is str for c in choices.value) or type(salt.value) is not str:
        raise UnvectorisedError("pick of something that is no list of texts", node.lineno)
    message_id = ambient(lw, "message_id")
    if message_id.is_constant:
        raise UnvectorisedError("pick without message.message_id", node.lineno)
    return lw.make("distinct", (message_id,), STR, Picked(tuple(choices.value), salt.value))
