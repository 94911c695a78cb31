"""The intermediate representation: typed expressions over domains, and the statements that emit text.

Invariant: an expression is pure and hash-consed, so that equal expressions are one object and are
evaluated once a batch. A domain is a set of rows: the batch, or the items of a list of an outer domain.
Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from pipelines.render.types import Type


class Domain:
    """The rows that expressions range over: the batch (no parent) or the items of `items`."""

    def __init__(self, parent: Domain | None, items: Expr | None) -> None:
        self.parent = parent
        self.items = items
        self.depth: int = 0 if parent is None else parent.depth + 1


class Expr:
    """One typed operation. `name` is looked up in the table of kernels; `params` are constants."""

    __slots__ = ("args", "domain", "name", "params", "scalar", "type")

    def __init__(
        self, name: str, args: tuple[Expr, ...], params: tuple[Any, ...], shape: Type, domain: Domain
    ) -> None:
        self.name = name
        self.args = args
        self.params = params
        self.type = shape
        self.domain = domain
        # A constant as the kernels take it, made with the first batch.
        self.scalar: Any = None

    @property
    def is_constant(self) -> bool:
        return self.name == "const"

    @property
    def value(self) -> Any:
        return self.params[0]


class Builder:
    """Makes expressions, one object for each distinct expression."""

    def __init__(self) -> None:
        self.root = Domain(None, None)
        self._made: dict[Hashable, Expr] = {}
        self._domains: dict[tuple[int, int], Domain] = {}

    def make(
        self,
        name: str,
        args: tuple[Expr, ...],
        shape: Type,
        params: tuple[Any, ...] = (),
        domain: Domain | None = None,
    ) -> Expr:
        """The expression; its domain is the deepest of its arguments' unless one is given."""
        home = domain or max((a.domain for a in args), key=lambda d: d.depth, default=self.root)
        key = (name, tuple(id(a) for a in args), _key(params), shape, id(home))
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = Expr(name, args, params, shape, home)
        return made

    def over(self, items: Expr, at: Domain) -> Domain:
        """The domain of a list's items for each row of `at`, one for each such pair."""
        key = (id(items), id(at))
        if key not in self._domains:
            self._domains[key] = Domain(at, items)
        return self._domains[key]


def _key(params: tuple[Any, ...]) -> Hashable:
    """Distinguishes 1, 1.0 and True; identity stands in for what cannot be hashed."""
    out: list[Hashable] = []
    for value in params:
        try:
            hash(value)
            out.append((type(value).__name__, repr(value) if isinstance(value, float) else value))
        except TypeError:
            out.append(("id", id(value)))
    return tuple(out)


@dataclass(slots=True)
class Block:
    """Statements in order."""

    body: list[Stmt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the author's files a statement came from."""

    template: str
    line: int


@dataclass(slots=True)
class Text:
    """Static text as it stands in the result (already escaped for the wire)."""

    text: str


@dataclass(slots=True)
class Out:
    """An expression's text, null where it failed; `source` is the value and `path` names it in an error."""

    text: Expr
    source: Expr
    place: Place
    path: str | None


@dataclass(slots=True)
class Force:
    """Evaluates an expression only for its failures, as Jinja2's eager evaluation would."""

    value: Expr


@dataclass(slots=True)
class Abort:
    """`abort(reason)` for every row that gets here."""

    reason: Expr
    place: Place


@dataclass(slots=True)
class If:
    """One of two blocks, by the truth of a condition."""

    test: Expr
    then: Block
    otherwise: Block


@dataclass(slots=True)
class Loop:
    """A block for each item of a domain; `otherwise` for outer rows without items."""

    domain: Domain
    body: Block
    otherwise: Block


@dataclass(slots=True)
class Rows:
    """Jinja2 statements that are rendered row by row, with the values of their free names."""

    program: Any
    values: tuple[Expr, ...]
    wire: bool


Stmt = Text | Out | Force | Abort | If | Loop | Rows
