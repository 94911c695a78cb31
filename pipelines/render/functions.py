"""Pure functions of one value that are evaluated once for each distinct value of a batch.

Invariant: each calls Jinja2's own filter, so its result is Jinja2's by construction; it reads nothing
but its arguments. Does not vectorise the function itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import Environment, nodes
from jinja2.filters import FILTERS as JINJA

from pipelines.render.types import FLOAT, INT, MARKUP, STR, Type

_PLAIN = Environment(autoescape=False)
_HTML = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Function:
    """A filter: the kinds it takes here, its arguments, and the type of its result."""

    name: str
    kinds: tuple[str, ...]
    arguments: tuple[str, ...]
    result: Type
    examples: tuple[str, ...]
    html_result: Type | None = None

    def result_of(self, html: bool) -> Type:
        return self.html_result if html and self.html_result is not None else self.result


class Applied:
    """A filter with its arguments, as a function of one value; equal uses are equal."""

    def __init__(self, name: str, arguments: tuple[tuple[str, Any], ...], html: bool) -> None:
        self.key = (name, tuple((k, type(v).__name__, v) for k, v in arguments), html)
        self.arguments = dict(arguments)

    @cached_property
    def function(self) -> Any:
        name, _, html = self.key
        environment = _HTML if html else _PLAIN
        function = JINJA[name]
        passes = getattr(function, "jinja_pass_arg", None)
        if passes is None:
            return function
        first: Any = environment if passes.name == "environment" else nodes.EvalContext(environment, None)
        return lambda value, **kwargs: function(first, value, **kwargs)

    def __call__(self, value: Any) -> Any:
        return self.function(value, **self.arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Applied) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


_ALL = (
    Function("title", ("str",), (), STR, ("value|title",)),
    Function(
        "truncate", ("str",), ("length", "killwords", "end", "leeway"), STR, ("value|truncate(5, true)",)
    ),
    Function("wordcount", ("str",), (), INT, ("value|wordcount",)),
    Function("wordwrap", ("str",), ("width", "break_long_words", "wrapstring"), STR, ("value|wordwrap(4)",)),
    Function("striptags", ("str",), (), STR, ("value|striptags",)),
    Function("urlencode", ("str",), (), STR, ("value|urlencode",)),
    Function("forceescape", ("str",), (), MARKUP, ("value|forceescape",)),
    Function(
        "filesizeformat",
        ("int", "float"),
        ("binary",),
        STR,
        ("value|filesizeformat", "value|filesizeformat(true)"),
    ),
    Function("int", ("str", "int", "float", "bool"), ("default", "base"), INT, ()),
    Function("float", ("str", "int", "float", "bool"), ("default",), FLOAT, ()),
    Function("tojson", ("str", "int", "float", "bool"), (), MARKUP, ("value|tojson",)),
)

FUNCTIONS: Mapping[str, Function] = {f.name: f for f in _ALL}
