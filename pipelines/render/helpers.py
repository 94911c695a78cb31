"""The helpers in both engines: one entry each.

Invariant: both engines call the same pure function with the same arguments, so that they agree by
construction. The recipient's locale, time zone and ids come from the row, never from names that a
template sets. To add one: a pure function in `formats` and its line in `HELPERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.runtime import Context

from pipelines.render import formats
from pipelines.render.ir import Expr
from pipelines.render.lowering import Lowering
from pipelines.render.sandbox import AMBIENT, ReferenceEnvironment
from pipelines.render.scope import UnvectorisedError
from pipelines.render.settings import RenderContext
from pipelines.render.types import INT, STR, Type

_REQUIRED = object()
_LINK = ("context", "message_id", "customer_id", "channel", "topic")


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper's name, its author-given arguments with defaults, and what it takes from the row."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[tuple[str, Any], ...]
    ambient: tuple[str, ...]
    is_filter: bool
    result: Type = STR
    # Results are kept for equal arguments; a link is different for each row.
    remembered: bool = True
    examples: tuple[str, ...] = field(default=())


HELPERS: tuple[Helper, ...] = (
    Helper(
        "money",
        formats.money,
        (("value", _REQUIRED), ("currency", _REQUIRED)),
        ("locale",),
        True,
        examples=("value|money('EUR')",),
    ),
    Helper(
        "number",
        formats.number,
        (("value", _REQUIRED), ("digits", None)),
        ("locale",),
        True,
        examples=("value|number", "value|number(2)"),
    ),
    Helper(
        "percent", formats.percent, (("value", _REQUIRED),), ("locale",), True, examples=("value|percent",)
    ),
    Helper(
        "compact", formats.compact, (("value", _REQUIRED),), ("locale",), True, examples=("value|compact",)
    ),
    Helper(
        "date",
        formats.date,
        (("value", _REQUIRED), ("format", "medium")),
        ("locale", "time_zone"),
        True,
        examples=("value|date", "value|date('full')", "value|date('EEEE d MMM')"),
    ),
    Helper(
        "time",
        formats.time,
        (("value", _REQUIRED), ("format", "short")),
        ("locale", "time_zone"),
        True,
        examples=("value|time",),
    ),
    Helper(
        "datetime",
        formats.datetime,
        (("value", _REQUIRED), ("format", "medium")),
        ("locale", "time_zone"),
        True,
        examples=("value|datetime('short')",),
    ),
    Helper(
        "plural",
        formats.plural,
        (
            ("value", _REQUIRED),
            ("other", _REQUIRED),
            ("one", None),
            ("two", None),
            ("few", None),
            ("many", None),
            ("zero", None),
        ),
        ("locale",),
        True,
        examples=("value|plural('items', one='item')",),
    ),
    Helper(
        "track",
        formats.track,
        (("url", _REQUIRED),),
        _LINK,
        False,
        remembered=False,
        examples=("track('https://example.org/a?b=c')",),
    ),
    Helper(
        "unsubscribe_url",
        formats.unsubscribe_url,
        (),
        _LINK,
        False,
        remembered=False,
        examples=("unsubscribe_url()",),
    ),
    Helper(
        "preferences_url",
        formats.preferences_url,
        (),
        _LINK,
        False,
        remembered=False,
        examples=("preferences_url()",),
    ),
    Helper(
        "bucket",
        formats.bucket,
        (("size", _REQUIRED), ("salt", "")),
        ("customer_id",),
        False,
        INT,
        examples=("bucket(10)", "bucket(3, 'b')"),
    ),
    Helper(
        "pick",
        formats.pick,
        (("choices", _REQUIRED), ("salt", "")),
        ("message_id",),
        False,
        examples=("pick(['a', 'b', 'c'])",),
    ),
)

BY_NAME: Mapping[str, Helper] = {h.name: h for h in HELPERS}

# Where the row's own values come from, in order; the first that is not None counts.
_SOURCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "locale": (("message", "locale"), ("customer", "locale")),
    "time_zone": (("customer", "time_zone"),),
    "message_id": (("message", "message_id"),),
    "customer_id": (("customer", "customer_id"),),
    "channel": (("message", "channel"),),
    "topic": (("campaign", "topic"),),
}

AMBIENT_NAMES = tuple(_SOURCES)


def ambient_of_row(row: Mapping[str, Any], context: RenderContext) -> dict[str, Any]:
    """Locale, time zone and ids of a row."""
    out: dict[str, Any] = {"locale": context.locale, "time_zone": context.time_zone}
    for name, sources in _SOURCES.items():
        out.setdefault(name, None)
        for column, member in sources:
            held = row.get(column)
            value = held.get(member) if isinstance(held, dict) else None
            if isinstance(value, str):
                out[name] = value
                break
    return out


def ambient(lw: Lowering, name: str) -> Expr:
    """The same as an expression."""
    from pipelines.render.expressions import attribute, choice  # the passes refer to each other

    default = {"locale": lw.context.locale, "time_zone": lw.context.time_zone}.get(name)
    out = lw.constant(default)
    for column, member in reversed(_SOURCES[name]):
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


def install(environment: ReferenceEnvironment, context: RenderContext) -> None:
    """Adds the helpers to the reference engine."""
    for helper in HELPERS:
        table = environment.filters if helper.is_filter else environment.globals
        table[helper.name] = _for_rows(helper, context)


def _for_rows(helper: Helper, context: RenderContext) -> Callable[..., Any]:
    names = [name for name, _ in helper.arguments]

    # Taking the context keeps Jinja2 from computing a constant's text while it compiles, for another row.
    @pass_context
    def called(_: Context, *args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names) or any(k not in names[len(args) :] for k in kwargs):
            raise TypeError(f"{helper.name} takes ({', '.join(names)})")
        given = dict(zip(names, args, strict=False)) | kwargs
        held = []
        for name, default in helper.arguments:
            if name not in given and default is _REQUIRED:
                raise TypeError(f"{helper.name} needs {name}")
            held.append(given.get(name, default))
        row = AMBIENT.row or {}
        return helper.function(*held, *(context if a == "context" else row.get(a) for a in helper.ambient))

    return called


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
        if key not in given and default is _REQUIRED:
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
    from pipelines.render.scope import StaticList

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
