"""What a predicate does with the types of its columns, as far as that shows without Spark.

Invariant: only certain mistakes are told: a field that a struct does not have, a date that is none or another one
tomorrow, and comparisons that Spark answers with null for everybody, refuses, or makes of other things than it says.
What cannot be resolved here passes; Spark reads it when the campaign is first used.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.campaigns.errors import did_you_mean

Fault = tuple[str, str]

#: What Spark makes of these in DATE'…' and TIMESTAMP'…' depends on the day, but for 'epoch'.
_SPECIAL = re.compile(r"\W*(epoch|now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE)
#: Spark's spellings of a day; a time alone is one of the day on which it is asked.
_DATE = re.compile(r"[+-]?([0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T].*)?)?)?", re.DOTALL)
_HOW_TO_DATE = "Write year, month and day: '2026-01-31', or '2026-01-31 18:00:00'"


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


def literal_faults(tree: Any) -> Iterator[Fault]:
    """Literals as dates and timestamps, such as DATE'today' and CAST('12:30' AS timestamp)."""
    from sqlglot import exp

    for cast in tree.find_all(exp.Cast):
        if not _is_text_literal(cast.this):
            continue
        text, kind = cast.this.name, cast.to.sql("spark").lower()
        if _is_moment(cast.to) and _SPECIAL.match(text):
            yield (
                f"{kind} '{text}' names a moment by a word",
                "A repeated run would decide differently; write the date itself, such as DATE'2026-01-31', "
                "or, in an audience rule, the column 'clock'",
            )
        elif _is_moment(cast.to) and not _is_date(text):
            yield f"{kind} '{text}' is no date", _HOW_TO_DATE


def comparison_faults(condition: Any) -> Iterator[Fault]:
    """Comparisons and sums of an annotated tree whose sides do not go together; the first of each."""
    for node, one, others in _compared(condition):
        found = next((fault for other in others if (fault := _comparison_fault(one, other))), None)
        if found is not None:
            yield f"'{shown(node)}' {found[0]}", found[1]
    yield from _sum_faults(condition)


def qualified(tree: Any) -> Any:
    """The tree with its columns as those of the table `t`, as sqlglot's types want them."""
    from sqlglot import exp

    def qualify(node: Any) -> Any:
        if isinstance(node, exp.Column) and not node.table:
            node.set("table", exp.to_identifier("t"))
        return node

    return tree.transform(qualify)


def shown(node: Any) -> str:
    """A part of a qualified tree as its author would write it."""
    from sqlglot import exp

    def unqualify(node: Any) -> Any:
        if isinstance(node, exp.Column) and node.table == "t":
            node.set("table", None)
        return node

    return str(node.transform(unqualify).sql("spark"))


def _compared(condition: Any) -> Iterator[tuple[Any, Any, list[Any]]]:
    """(comparison, one side, what it is compared with)."""
    from sqlglot import exp

    plain = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
    for node in condition.find_all(*plain, exp.In, exp.Between):
        if isinstance(node, exp.In):
            yield node, node.this, node.expressions
        elif isinstance(node, exp.Between):
            yield node, node.this, [node.args["low"], node.args["high"]]
        else:
            yield node, node.this, [node.expression]


def _comparison_fault(one: Any, other: Any) -> Fault | None:
    one, other = one.unnest(), other.unnest()
    kinds = {_kind(one), _kind(other)}
    types = f"({_type(one)} with {_type(other)})"
    if "nested" in kinds and len(kinds) > 1 and None not in kinds:
        return (
            f"compares an array or a struct with a value {types}",
            "Use exists(), size() or array_contains()",
        )
    if kinds == {"text", "number"}:
        return (
            f"compares text with a number {types}",
            "Write both alike: a value in quotes, or CAST(… AS …)",
        )
    if kinds == {"moment", "number"}:
        return f"compares a point in time with a number {types}", _HOW_TO_DATE
    for literal in (one, other):
        if kinds == {"moment", "text"} and _is_text_literal(literal) and not _is_date(literal.name):
            return f"compares a point in time with '{literal.name}', which is no date {types}", _HOW_TO_DATE
    return None


def _sum_faults(condition: Any) -> Iterator[Fault]:
    """Spark reads text in a sum as a number, and as null when it is none."""
    from sqlglot import exp

    for node in condition.find_all(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod):
        sides = node.this.unnest(), node.expression.unnest()
        is_literal = any(_is_text_literal(side) for side in sides)
        # With a point in time text may be another one; what is unknown may be such a point.
        if is_literal and {_kind(side) for side in sides} <= {"text", "number"}:
            yield (
                f"'{shown(node)}' calculates with text ({_type(sides[0])} with {_type(sides[1])})",
                "Write the number without quotes, or join texts with concat()",
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
    if _is_moment(node.type):
        # Of a computed one sqlglot is not sure: the difference of two timestamps is an interval.
        return "moment" if isinstance(node, exp.Column | exp.Dot | exp.Cast) else None
    return "number" if node.type.is_type(*exp.DataType.NUMERIC_TYPES) else "other"


def _type(node: Any) -> str:
    return str(node.type.sql("spark").lower()) if node.type is not None else "unknown"


def _is_moment(kind: Any) -> bool:
    """Whether a type is a date or a timestamp."""
    return bool(kind.is_type("date", "timestamp", "timestamptz", "timestampltz", "timestampntz", "datetime"))


def _is_text_literal(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.RawString) or (isinstance(node, exp.Literal) and bool(node.is_string))


def _is_date(text: str) -> bool:
    """Whether Spark finds a day in the text; its time of day is not looked at."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return False
    year, month, day = (int(part or 1) for part in found.groups())
    # A year of the same length stands for those that Python's calendar does not have.
    days = monthrange(year if 1 <= year <= 9_999 else 2000 + year % 400, month)[1] if 1 <= month <= 12 else 0
    return 1 <= day <= days
