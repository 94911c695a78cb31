"""The reference semantics: sandboxed Jinja2 with an allow-list and bounds.

Invariant: data never reaches Python: on a row's values only the fields of the data and the methods in
`METHODS` can be read. Every deviation from `jinja2.sandbox.SandboxedEnvironment` is in this file. Does
not parse or run templates itself.
"""

from __future__ import annotations

import datetime
import decimal
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateNotFound
from jinja2.environment import Template
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from pipelines.render.errors import AbortError, LimitError, NoneOutputError
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

_WIDE_FORMAT = re.compile(r"%[^a-zA-Z%]*?(?:\d{4,}|\*)")


class Steps(threading.local):
    """Loop steps and produced characters of the message being rendered on this thread."""

    left: int = 0


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
        self.steps = Steps()
        self.catalogues: Any = None
        self.load: Callable[[str], Template] = _load_nothing
        self.globals["range"] = self._range
        self.globals["abort"] = abort
        for name in ("lipsum",):
            del self.globals[name]
        self.filters["bounded_steps"] = self._bounded
        self._bound_filters()

    def _load_template(self, name: str, _: Any) -> Template:
        """Templates come from the checked trees of one compilation, never from a file."""
        return self.load(name)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a field of the data wins; of Python's attributes only those in METHODS exist."""
        kind = type(obj)
        if kind is dict and attribute in obj:
            return obj[attribute]
        allowed = METHODS.get(kind)
        if allowed is None:
            return super().getattr(obj, attribute)
        if attribute in allowed:
            value = getattr(obj, attribute)
            return self._bounded_method(obj, attribute, value)
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
        most = self.limits.repeat_chars
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                is_repetition = isinstance(text, (str, list, tuple, bytes)) and isinstance(times, int)
                if is_repetition and len(text) * times > most:
                    raise LimitError(f"repetition makes more than {most} characters or items")
            both = isinstance(left, int) and isinstance(right, int)
            if both and left.bit_length() + right.bit_length() > 4096:
                raise LimitError("the product has more than 4096 bits")
        elif operator == "**":
            if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > 4096:
                raise LimitError("the power has more than 4096 bits")
        elif operator == "%" and isinstance(left, (str, bytes)):
            self._check_format(str(left))
        elif operator == "+" and isinstance(left, (str, list)) and isinstance(right, (str, list)):
            self._check_size(len(left) + len(right))
        return self.binop_table[operator](left, right)

    def _check_size(self, size: int) -> None:
        if size > 4 * self.limits.output_bytes:
            raise LimitError("an intermediate value is larger than four messages may be")

    def _check_format(self, pattern: str) -> None:
        if _WIDE_FORMAT.search(pattern):
            raise LimitError("a format's width or precision has more than three digits, or is '*'")

    def _range(self, *args: int) -> range:
        made = range(*args)
        if len(made) > self.limits.loop_steps:
            raise LimitError(f"range of more than {self.limits.loop_steps} items")
        return made

    def _bounded(self, values: Iterable[Any]) -> Iterable[Any]:
        """Passes a loop's items on, counting each against the message's budget."""
        if isinstance(values, (list, tuple, dict, str, range)):
            self.steps.left -= len(values)
            if self.steps.left < 0:
                raise LimitError(f"more than {self.limits.loop_steps} loop steps in one message")
            return values
        return self._bounded_lazily(values)

    def _bounded_lazily(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.steps.left -= 1
            if self.steps.left < 0:
                raise LimitError(f"more than {self.limits.loop_steps} loop steps in one message")
            yield value

    def _bounded_method(self, obj: Any, name: str, method: Any) -> Any:
        if name == "replace":
            return lambda old, new, count=-1: self._replace(method, obj, old, new, count)
        if name == "join":
            return lambda items: self._join(method, obj, items)
        return method

    def _replace(self, method: Any, text: str, old: str, new: str, count: int) -> Any:
        found = text.count(old) if count is None or count < 0 else min(count, text.count(old))
        self._check_size(len(text) + found * max(0, len(new) - len(old)))
        return method(old, new, -1 if count is None else count)

    def _join(self, method: Any, glue: str, items: Iterable[Any]) -> Any:
        held = list(items)
        self._check_size(len(glue) * len(held) + sum(len(i) for i in held if isinstance(i, str)))
        return method(held)

    def _bound_filters(self) -> None:
        """Wraps the built-in filters whose result can be much larger than what they are given."""
        filters = self.filters
        most = self.limits.repeat_chars
        del filters["random"]

        def bounded_width(plain: Any) -> Any:
            def wrapped(text: Any, width: Any = None, *args: Any, **kwargs: Any) -> Any:
                if isinstance(width, int) and width > most:
                    raise LimitError(f"a width of more than {most}")
                if width is None:
                    return plain(text, *args, **kwargs)
                return plain(text, width, *args, **kwargs)

            return wrapped

        filters["center"] = bounded_width(filters["center"])
        filters["indent"] = bounded_width(filters["indent"])
        plain_format = filters["format"]

        def format_(value: Any, *args: Any, **kwargs: Any) -> Any:
            self._check_format(str(value))
            return plain_format(value, *args, **kwargs)

        filters["format"] = format_

    def spend(self) -> None:
        """Starts the budget of a new message on this thread."""
        self.steps.left = self.limits.loop_steps


def _load_nothing(name: str) -> Template:
    raise TemplateNotFound(name)


def abort(reason: str = "aborted") -> Any:
    """`{{ abort("reason") }}`: this recipient gets no message, and the reason is recorded."""
    raise AbortError(str(reason))
