"""The clauses of a predicate: what its author has joined with AND at the outermost level, in the author's own words.

Invariant: every clause is a piece of the text, and all of them hold exactly when the predicate holds. Text that cannot
be taken apart is one clause.
"""

from __future__ import annotations

_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def clauses(text: str) -> tuple[str, ...]:
    """The clauses in their order; never empty."""
    from sqlglot.dialects.spark import Spark
    from sqlglot.errors import SqlglotError

    try:
        tokens = Spark().tokenize(text)
    except SqlglotError:
        return (text,)
    found, start, depth, ranges = [], 0, 0, 0
    for token in tokens:
        word = token.text.upper() if token.token_type.name not in ("STRING", "IDENTIFIER") else ""
        if word in _OPENING or word == "CASE":
            depth += 1
        elif word in _CLOSING or word == "END":
            depth -= 1
        elif depth:
            continue
        elif word in ("OR", "->"):
            # AND binds closer than OR: the outermost word is not an AND.
            return (text,)
        elif word == "BETWEEN":
            ranges += 1
        elif word == "AND" and ranges:
            ranges -= 1
        elif word == "AND":
            found.append(text[start : token.start].strip())
            start = token.end + 1
    return (*found, text[start:].strip())
