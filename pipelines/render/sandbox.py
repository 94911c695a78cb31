"""The reference semantics: sandboxed Jinja2 with an allow-list and bounds.

Invariant: data never reaches Python: on a row's values only the fields of the data and the methods in
`METHODS` can be read. Every deviation from `jinja2.sandbox.SandboxedEnvironment` is in this file. Does
not parse or run templates itself.
"""

from __future__ import annotations

import datetime
import decimal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateNotFound
from jinja2.environment import Template
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from pipelines.render.bounds import Bounds, Steps
from pipelines.render.errors import AbortError, NoneOutputError
from pipelines.render.settings import Limits

_STRING_METHODS = frozenset(
    [
        "capitalize",
        "casefold",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isascii",
        "isdecimal",
        "isdigit",
        "islower",
        "isnumeric",
        "isspace",
        "istitle",
        "isupper",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
    ]
)
_DATE_METHODS = frozenset(
    ["year", "month", "day", "weekday", "isoweekday", "isoformat", "strftime", "isocalendar"]
)
_TIME_METHODS = frozenset(["hour", "minute", "second", "microsecond", "isoformat", "strftime"])

# The attributes of a row's values that a template may read, by type. A dict's own keys come first.
METHODS: Mapping[type, frozenset[str]] = {
    str: _STRING_METHODS,
    Markup: _STRING_METHODS | {"unescape", "striptags"},
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    range: frozenset({"start", "stop", "step"}),
    datetime.date: _DATE_METHODS,
    datetime.time: _TIME_METHODS,
    datetime.datetime: _DATE_METHODS | _TIME_METHODS | {"date", "time", "tzinfo", "timestamp"},
    int: frozenset({"bit_length"}),
    float: frozenset({"is_integer"}),
    decimal.Decimal: frozenset({"is_signed"}),
    bool: frozenset(),
    type(None): frozenset(),
    bytes: frozenset(),
}

INTERNAL_FILTERS = frozenset({"bounded_steps", "bounded_text"})


class Ambient(threading.local):
    """Locale, time zone and ids of the row being rendered on this thread, for the helpers."""

    row: Mapping[str, Any] | None = None


AMBIENT = Ambient()
# The fields that helpers read of a row, whatever the template names.
AMBIENT_PATHS = (
    ("message", "locale"),
    ("message", "message_id"),
    ("message", "channel"),
    ("customer", "locale"),
    ("customer", "time_zone"),
    ("customer", "customer_id"),
    ("campaign", "topic"),
)


def refuse_none(value: Any) -> Any:
    """Jinja2's `finalize`: an output whose value is None is an error, as if it were undefined."""
    if value is None:
        raise NoneOutputError("the value is None")
    return value


class ReferenceEnvironment(SandboxedEnvironment):
    """Sandboxed Jinja2 with StrictUndefined, data-first attributes, an allow-list and bounds."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, *, html: bool, limits: Limits) -> None:
        super().__init__(
            loader=None,
            undefined=StrictUndefined,
            autoescape=html,
            finalize=refuse_none,
            extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
            auto_reload=False,
            cache_size=-1,
            optimized=True,
        )
        self.limits = limits
        self.bounds = Bounds(limits)
        self.steps = Steps(limits)
        self.catalogues: Any = None
        # Values that are the same for every row, by name: `constants.install`.
        self.constants: Mapping[str, Any] = {}
        self.load: Callable[[str], Template] = _load_nothing
        self.globals["range"] = self.bounds.range
        self.globals["abort"] = abort
        del self.globals["lipsum"]
        del self.filters["random"]
        self.bounds.wrap_filters(self.filters)
        self.filters["bounded_steps"] = self.steps.counted

    def _load_template(self, name: str, _: Any) -> Template:
        """Templates come from the checked trees of one compilation, never from a file."""
        return self.load(name)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a field of the data wins; of Python's attributes only those in METHODS exist."""
        kind = type(obj)
        if kind is dict:
            try:
                return obj[attribute]
            except KeyError:
                pass
        allowed = METHODS.get(kind)
        if allowed is None:
            return super().getattr(obj, attribute)
        if attribute in allowed:
            value = getattr(obj, attribute)
            return self.bounds.method(obj, attribute, value)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`: an item; a method in METHODS where there is no such item, as in Jinja2."""
        if type(obj) in METHODS:
            try:
                return obj[argument]
            except (TypeError, LookupError):
                if isinstance(argument, str):
                    return self.getattr(obj, str(argument))
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, _: Context, operator: str, left: Any, right: Any) -> Any:
        """`*`, `**`, `%` and `+` with the size of their result bounded before it is made."""
        self.bounds.operation(operator, left, right)
        return self.binop_table[operator](left, right)

    def spend(self) -> None:
        """Starts the budget of a new message."""
        self.steps.spend()


def _load_nothing(name: str) -> Template:
    raise TemplateNotFound(name)


def abort(reason: str = "aborted") -> Any:
    """`{{ abort("reason") }}`: this recipient gets no message, and the reason is recorded."""
    raise AbortError(str(reason))
