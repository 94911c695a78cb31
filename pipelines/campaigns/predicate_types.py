"""What a predicate does with the types of its columns, as far as that shows without Spark.

Invariant: only certain mistakes are told: a field that a struct does not have, and comparisons that Spark answers with
null for everybody or refuses. What cannot be resolved here passes; Spark reads it when the campaign is first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.campaigns.errors import did_you_mean

Fault = tuple[str, str]


def field_faults(tree: Any, columns: Mapping[str, str]) -> Iterator[Fault]:
    """Fields of structs in arrays, such as `o.total` in exists(recent_orders, o -> o.total > 3)."""
    from sqlglot import exp

    for dot in tree.find_all(exp.Dot):
        source = _source(dot)
        fields = _fields(source.name, columns) if source is not None else ()
        name = dot.expression.name
        if fields and name.lower() not in {one.lower() for one in fields}:
            assert source is not None
            hint = did_you_mean(name, fields, f"It has: {', '.join(fields)}")
            yield f"'{source.name}' has no field '{name}'", hint


def comparison_faults(condition: Any) -> Iterator[Fault]:
    """Comparisons of an annotated tree whose sides cannot be compared."""
    from sqlglot import exp

    for node in condition.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
        kinds = {_kind(node.this), _kind(node.expression)}
        shown = node.sql("spark").replace("t.", "")
        if "nested" in kinds and len(kinds) > 1 and None not in kinds:
            yield (
                f"'{shown}' compares an array or a struct with a value",
                "Use exists(), size() or array_contains()",
            )
        elif kinds == {"text", "number"}:
            yield (
                f"'{shown}' compares text with a number",
                "Write both alike: a value in quotes, or CAST(… AS …)",
            )


def _source(dot: Any) -> Any:
    """The column whose array's elements the dot looks into; None when that is not plain to see."""
    from sqlglot import exp

    inner = dot.this
    if isinstance(inner, exp.Identifier):
        owner = dot.find_ancestor(exp.Lambda)
        while owner is not None and inner.name not in [one.name for one in owner.expressions]:
            owner = owner.find_ancestor(exp.Lambda)
        # Of two names the second is an index, or the first a sum so far.
        is_element = owner is not None and (
            inner.name == owner.expressions[0].name or isinstance(owner.parent, exp.Reduce)
        )
        if not is_element or (
            isinstance(owner.parent, exp.Reduce) and inner.name == owner.expressions[0].name
        ):
            return None
        return _column(owner.parent.this)
    if isinstance(inner, exp.Bracket):
        return _column(inner.this)
    if isinstance(inner, exp.Anonymous) and inner.name.lower() == "get" and inner.expressions:
        return _column(inner.expressions[0])
    return None


def _column(node: Any) -> Any:
    """The column, also behind filter(), which keeps the elements as they are."""
    from sqlglot import exp

    while isinstance(node, exp.ArrayFilter):
        node = node.this
    return node if isinstance(node, exp.Column) else None


def _fields(column: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The fields of a column's struct, in an array or alone; none for other types."""
    from sqlglot import exp

    declared = {name.lower(): text for name, text in columns.items()}.get(column.lower())
    if declared is None:
        return ()
    found = exp.DataType.build(declared, dialect="spark")
    while found.is_type("array") and found.expressions:
        found = found.expressions[0]
    return tuple(one.name for one in found.expressions) if found.is_type("struct") else ()


def _kind(node: Any) -> str | None:
    from sqlglot import exp

    if node.type is None or node.type.is_type("unknown", "null"):
        return None
    if node.type.is_type(*exp.DataType.NESTED_TYPES):
        return "nested"
    if node.type.is_type(*exp.DataType.TEXT_TYPES):
        return "text"
    return "number" if node.type.is_type(*exp.DataType.NUMERIC_TYPES) else "other"
