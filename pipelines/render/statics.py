"""How much of a template's text is there before any data: its longest static text.

Invariant: of two branches the heavier counts, a loop's body counts once, and what a row gives counts
nothing. An estimate for people, not a bound: data only adds to it. Renders nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.render.ir import Block, If, Loop, Text


def longest_static(block: Block, weight: Callable[[str], int]) -> str:
    """The static text of the heaviest way through the block."""
    parts: list[str] = []
    for stmt in block.body:
        if isinstance(stmt, Text):
            parts.append(stmt.text)
        elif isinstance(stmt, If):
            sides = [longest_static(side, weight) for side in (stmt.then, stmt.otherwise)]
            parts.append(max(sides, key=weight))
        elif isinstance(stmt, Loop):
            parts.append(longest_static(stmt.body, weight))
    return "".join(parts)
