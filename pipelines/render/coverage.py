"""What share of a template runs as kernels, and every place that does not, with its reason.

Invariant: each node of the syntax tree that lowering meets counts once for each time it is lowered.
Does not measure time.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fallback:
    """One expression or block that Jinja2 renders row by row."""

    template: str
    line: int
    what: str
    reason: str
    nodes: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Nodes that became kernels, and the places that did not."""

    vectorised_nodes: int
    row_wise_nodes: int
    fallbacks: tuple[Fallback, ...]
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Vectorised nodes among all nodes; 1.0 for a template of static text."""
        total = self.vectorised_nodes + self.row_wise_nodes
        return 1.0 if total == 0 else self.vectorised_nodes / total


@dataclass(slots=True)
class Counter:
    """Counts while lowering."""

    vectorised: int = 0
    fallbacks: list[Fallback] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """A remark for the author, once."""
        if text not in self.notes:
            self.notes.append(text)

    def coverage(self) -> Coverage:
        """What was counted."""
        row_wise = sum(f.nodes for f in self.fallbacks)
        return Coverage(self.vectorised, row_wise, tuple(self.fallbacks), tuple(self.notes))
