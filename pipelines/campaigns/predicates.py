"""Predicates are read before Spark is there: grammar, columns, functions and the type of the result.

Invariant: what is refused here Spark would refuse too, would answer differently on another day or for another user, or
would answer by making one type of another; what passes, Spark still checks when the campaign is first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from pipelines.campaigns.errors import did_you_mean
from pipelines.campaigns.predicate_types import (
    Fault,
    comparison_faults,
    field_faults,
    literal_faults,
    qualified,
    shown,
)

#: The pinned clock of the run as a column of the audience, for rules such as 'no order in 30 days'.
CLOCK = "clock"

_CLOCKS = (
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtimestamp",
    "now",
    "unix_timestamp",
)
_SESSION = ("current_catalog", "current_database", "current_schema", "current_user", "session_user", "user")
#: What Spark calls without brackets, unless a column has the name.
_BARE = frozenset({"current_date", "current_time", "current_timestamp", "localtimestamp", *_SESSION})
_IMPURE: Mapping[str, str] = {
    **dict.fromkeys(
        _CLOCKS, f"a repeated run would decide differently; an audience rule has the column '{CLOCK}'"
    ),
    **dict.fromkeys(
        _SESSION, "it tells of the session that asks, not of the customer; compare with the value itself"
    ),
    **dict.fromkeys(
        ("rand", "randn", "random", "randstr", "shuffle", "uniform", "uuid"),
        "a repeated run would decide differently; use 'holdout' or 'variants' to choose by chance",
    ),
    **dict.fromkeys(
        ("avg", "count", "max", "min", "sum", "any", "every", "collect_list", "collect_set"),
        "a predicate sees one customer; use aggregate(), exists() or filter() on an array",
    ),
}
#: Words before a bracket that call nothing.
_WORDS = frozenset(
    {"and", "or", "not", "in", "when", "then", "else", "case", "between", "like", "rlike", "on", "is"}
)


@cache
def pure_functions() -> frozenset[str]:
    """Spark's functions of one row whose result depends on their arguments alone."""
    text = resources.files("pipelines.campaigns").joinpath("spark_functions.txt").read_text("utf-8")
    return frozenset(text.split())


def predicate_faults(text: str, columns: Mapping[str, str]) -> Iterator[Fault]:
    """(what was found, how to fix it) of each fault; `columns` by name, in Spark's DDL."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(text, read="spark")
    except SqlglotError as error:
        first = getattr(error, "errors", None) or [{}]
        place = f" at character {first[0]['col']}" if first[0].get("col") else ""
        yield f"not a Spark SQL expression{place}: '{text}'", "Write what would stand after WHERE"
        return
    faults = [
        *_statements(tree),
        *_functions(text, columns),
        *_columns(tree, columns),
        *field_faults(tree, columns),
        *literal_faults(tree),
    ]
    yield from dict.fromkeys(faults) or _types(tree, columns)


def _statements(tree: Any) -> Iterator[Fault]:
    from sqlglot import exp

    if not isinstance(tree, exp.Condition) or tree.find(exp.Query, exp.Alias):
        yield "holds a query, a statement or an alias", "Write one condition on one customer"
    if tree.find(exp.Window):
        yield "holds a window (OVER)", "Write one condition on one customer"
    if tree.find(exp.Star):
        yield "holds '*'", "Name the columns"
    if tree.find(exp.Placeholder, exp.Parameter):
        yield "holds a parameter", "Write the value itself"


def _functions(text: str, columns: Mapping[str, str]) -> Iterator[Fault]:
    """By their spelling: the tree has other names for some of them."""
    from sqlglot.dialects.spark import Spark

    tokens = Spark().tokenize(text)
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        name, kind = token.text.lower(), token.token_type.name
        is_call = after is not None and after.token_type.name == "L_PAREN"
        is_quoted = kind == "IDENTIFIER"
        is_word = name.isidentifier() and kind != "STRING" and not is_quoted
        is_field = before is not None and before.token_type.name == "DOT"
        # A plain name without brackets may be a column or a lambda's variable: `_columns` knows.
        if name in _BARE and is_word and not is_field and (is_call or kind != "VAR"):
            yield _bare(name, columns)
        elif is_call and (is_quoted or (is_word and name not in _WORDS)) and name not in pure_functions():
            fix = _IMPURE.get(name)
            yield (
                f"{'calls' if fix else 'unknown function or not one of a single row:'} {name}()",
                _sentence(fix)
                if fix
                else did_you_mean(name, pure_functions(), "See Spark's built-in functions"),
            )


def _bare(name: str, columns: Mapping[str, str]) -> Fault:
    is_declared = name in {one.lower() for one in columns}
    return f"calls {name}", f"Write the column as `{name}`" if is_declared else _sentence(_IMPURE[name])


def _columns(tree: Any, columns: Mapping[str, str]) -> Iterator[Fault]:
    from sqlglot import exp

    known = {name.lower() for name in columns}
    for name in dict.fromkeys(column.parts[0].name for column in tree.find_all(exp.Column)):
        if name.lower() in _BARE - known:
            yield _bare(name.lower(), columns)
        elif name.lower() not in known:
            allowed = f"It has: {', '.join(columns)}" if columns else "No column is declared"
            yield f"unknown column '{name}'", did_you_mean(name, columns, allowed)


def _types(tree: Any, columns: Mapping[str, str]) -> Iterator[Fault]:
    from sqlglot import exp
    from sqlglot.optimizer.annotate_types import annotate_types

    query = annotate_types(
        exp.select("1").from_("t").where(qualified(tree)), schema={"t": dict(columns)}, dialect="spark"
    )
    condition = query.args["where"].this
    sides = [condition]
    for node in condition.find_all(exp.And, exp.Or, exp.Not):
        sides += [node.this, *([node.expression] if isinstance(node, exp.Connector) else [])]
    allowed = (exp.DataType.Type.BOOLEAN, exp.DataType.Type.UNKNOWN, exp.DataType.Type.NULL)
    for side in sides:
        if side.type is not None and side.type.this not in allowed:
            kind = side.type.sql("spark").lower()
            yield f"'{shown(side)}' is {kind}, and no condition", "Compare it with something"
            return
    yield from comparison_faults(condition)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
