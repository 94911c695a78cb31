"""What names mean at a point of a template, at compile time.

Invariant: mirrors Jinja2's scoping: loops, macros, blocks and includes have their own names, `if` does
not. A macro sees its template's names as they are when it is called. Holds no values of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jinja2 import nodes

from pipelines.render.ir import Domain, Expr


class UnvectorisedError(Exception):
    """A construct that is left to the row-wise engine, and why."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason, line)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, eq=False)
class StaticList:
    """A list literal whose items are known one by one."""

    items: tuple[Binding, ...]


@dataclass(frozen=True, eq=False)
class MacroBinding:
    """A macro, or the caller of a call block, with the scope it was defined in."""

    node: nodes.Macro | nodes.CallBlock
    scope: Scope
    template: str


@dataclass(frozen=True, eq=False)
class ModuleBinding:
    """An imported template: its top-level names, and the statement that imports it."""

    scope: Scope
    node: nodes.Import


@dataclass(frozen=True, eq=False)
class LoopBinding:
    """`loop`: of a domain, or of an unrolled loop at one position."""

    domain: Domain | None
    position: int = 0
    length: int = 0


Binding = Expr | StaticList | MacroBinding | ModuleBinding | LoopBinding


@dataclass(eq=False)
class Scope:
    """Names of one level; what is not here is looked up outside."""

    outer: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)
    # Statements that define names which a fallback needs again: imports and macros.
    origins: dict[str, nodes.Stmt] = field(default_factory=dict)
    # An imported template does not see the batch's columns.
    isolated: bool = False

    def lookup(self, name: str) -> Binding | None:
        """The nearest binding of a name, or None."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def origin(self, name: str) -> nodes.Stmt | None:
        """The statement that the nearest binding of a name comes from."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.origins.get(name)
            scope = scope.outer
        return None

    @property
    def sees_data(self) -> bool:
        """Whether names that nothing binds are looked up in the batch."""
        return not self.isolated if self.outer is None else self.outer.sees_data

    def inner(self) -> Scope:
        """A scope inside this one."""
        return Scope(self)

    def bind(self, name: str, binding: Binding, origin: nodes.Stmt | None = None) -> None:
        """Defines or redefines a name at this level."""
        self.names[name] = binding
        if origin is not None:
            self.origins[name] = origin
        else:
            self.origins.pop(name, None)
