"""Bounds on what one message may cost: loop steps, repetition, and the size of texts on the way.

Invariant: nothing is made before its size is known to be allowed, or it is at most a few times larger than what
was allowed already. Only the row-wise engine calls this: kernels have bounds of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import pass_eval_context

from pipelines.render.errors import LimitError
from pipelines.render.settings import Limits

_WIDE_FORMAT = re.compile(r"%[^a-zA-Z%]*?(?:\d{4,}|\*)")
# Bits of an integer: enough for any amount, and for 10 ** 1000.
_MOST_BITS = 4096


class Bounds:
    """The limits, as checks."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def size(self, size: int) -> None:
        """Refuses a text on the way that is larger than four messages."""
        if size > 4 * self.limits.output_bytes:
            raise LimitError("an intermediate value is larger than four messages may be")

    def text(self, value: Any) -> Any:
        """Passes a value on when it is no text that is too large."""
        if isinstance(value, str):
            self.size(len(value))
        return value

    def pattern(self, pattern: str) -> None:
        """Refuses `%` formats that make something wide out of nothing."""
        if _WIDE_FORMAT.search(pattern):
            raise LimitError("a format's width or precision has more than three digits, or is '*'")

    def operation(self, operator: str, left: Any, right: Any) -> None:
        """Refuses `*`, `**`, `%` and `+` whose result is too large."""
        if operator == "*":
            self._product(left, right)
        elif operator == "**":
            both = isinstance(left, int) and isinstance(right, int)
            if both and left.bit_length() * abs(right) > _MOST_BITS:
                raise LimitError(f"the power has more than {_MOST_BITS} bits")
        elif operator == "%" and isinstance(left, str):
            self.pattern(str(left))
        elif operator == "+" and isinstance(left, (str, list)) and isinstance(right, (str, list)):
            self.size(len(left) + len(right))

    def _product(self, left: Any, right: Any) -> None:
        most = self.limits.repeat_chars
        for text, times in ((left, right), (right, left)):
            is_repetition = isinstance(text, (str, list, tuple)) and isinstance(times, int)
            if is_repetition and len(text) * times > most:
                raise LimitError(f"repetition makes more than {most} characters or items")
        both = isinstance(left, int) and isinstance(right, int)
        if both and left.bit_length() + right.bit_length() > _MOST_BITS:
            raise LimitError(f"the product has more than {_MOST_BITS} bits")

    def range(self, *args: int) -> range:
        """`range` of no more items than a message may have loop steps."""
        made = range(*args)
        if len(made) > self.limits.loop_steps:
            raise LimitError(f"range of more than {self.limits.loop_steps} items")
        return made

    def method(self, obj: Any, name: str, method: Any) -> Any:
        """A method of text whose result can be much larger than the text."""
        if name == "replace":
            return lambda old, new, count=-1: self.replaced(method, obj, old, new, count)
        if name == "join":
            return lambda items: self.joined(method, obj, items)
        return method

    def replaced(self, method: Any, text: str, old: str, new: str, count: int | None) -> Any:
        """`text.replace(old, new)`, its size known beforehand."""
        most = -1 if count is None else count
        found = text.count(old) if most < 0 else min(most, text.count(old))
        self.size(len(text) + found * max(0, len(new) - len(old)))
        return method(old, new, most)

    def joined(self, method: Any, glue: str, items: Iterable[Any]) -> Any:
        """`glue.join(items)`, its size known beforehand."""
        held = list(items)
        self.size(len(glue) * len(held) + sum(len(i) for i in held if isinstance(i, str)))
        return method(held)

    def small(self, number: Any, what: str) -> None:
        """Refuses a width or count beyond what may be repeated."""
        if isinstance(number, int) and abs(number) > self.limits.repeat_chars:
            raise LimitError(f"{what} of more than {self.limits.repeat_chars}")

    def wrap_filters(self, filters: dict[str, Callable[..., Any]]) -> None:
        """Replaces the built-in filters whose result can be much larger than what they are given."""
        filters["bounded_text"] = self.text
        for name, what in (
            ("center", "a width"),
            ("indent", "a width"),
            ("batch", "a batch"),
            ("slice", "slices"),
        ):
            filters[name] = self._with_small_argument(filters[name], what)
        filters["format"] = self._format(filters["format"])
        filters["replace"] = self._replace(filters["replace"])
        filters["join"] = self._join(filters["join"])
        filters["round"] = self._round(filters["round"])
        filters["tojson"] = self._tojson(filters["tojson"])

    def _with_small_argument(self, plain: Callable[..., Any], what: str) -> Callable[..., Any]:
        most = self.limits.repeat_chars

        def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
            for argument in (*args, *kwargs.values()) if kwargs else args:
                if isinstance(argument, int) and not -most <= argument <= most:
                    raise LimitError(f"{what} of more than {most}")
            return self.text(plain(value, *args, **kwargs))

        return bounded

    def _format(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
            self.pattern(str(value))
            return self.text(plain(value, *args, **kwargs))

        return bounded

    def _replace(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @pass_eval_context
        def bounded(context: Any, value: Any, old: Any, new: Any, count: Any = None) -> Any:
            text, sought = str(value), str(old)
            self.size(len(text) + text.count(sought) * max(0, 6 * len(str(new)) - len(sought)))
            return self.text(plain(context, value, old, new, count))

        return bounded

    def _join(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @pass_eval_context
        def bounded(context: Any, value: Any, d: Any = "", attribute: Any = None) -> Any:
            held = list(value)
            self.size(len(held) * len(str(d)) + sum(len(i) for i in held if isinstance(i, str)))
            return self.text(plain(context, held, d, attribute))

        return bounded

    def _round(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(value: Any, precision: Any = 0, method: Any = "common") -> Any:
            if isinstance(precision, int) and abs(precision) > 1000:
                raise LimitError("a precision of more than 1000")
            return plain(value, precision, method)

        return bounded

    def _tojson(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @pass_eval_context
        def bounded(context: Any, value: Any, indent: Any = None) -> Any:
            self.small(100 * indent if isinstance(indent, int) else 0, "an indent")
            return self.text(plain(context, value, indent))

        return bounded


class Steps:
    """Counts loop steps of one message."""

    def __init__(self, limits: Limits) -> None:
        self.most = limits.loop_steps
        self.left = limits.loop_steps

    def spend(self) -> None:
        """Starts a new message."""
        self.left = self.most

    def _take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise LimitError(f"more than {self.most} loop steps in one message")

    def counted(self, values: Iterable[Any]) -> Iterable[Any]:
        """Passes a loop's items on, counting each."""
        if isinstance(values, (list, tuple, dict, str, range)):
            self._take(len(values))
            return values
        return self._lazily(values)

    def _lazily(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._take(1)
            yield value
