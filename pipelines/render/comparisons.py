"""Pass 3b, lower comparisons, membership, tests and look-ups in constant dicts.

Invariant: only types that Arrow compares as Python does are compared by kernels. Does not decide truth of
other values.
"""

from __future__ import annotations

import decimal
from typing import Any

from jinja2 import nodes

from pipelines.render import constants
from pipelines.render.ir import Expr
from pipelines.render.lowering import Lowering
from pipelines.render.scope import StaticList, UnvectorisedError
from pipelines.render.types import BOOL, Type, type_of_constant

_TEST_OPERATORS = {
    "==": "eq",
    "eq": "eq",
    "equalto": "eq",
    "!=": "ne",
    "ne": "ne",
    ">": "gt",
    "gt": "gt",
    "greaterthan": "gt",
    ">=": "gteq",
    "ge": "gteq",
    "<": "lt",
    "lt": "lt",
    "lessthan": "lt",
    "<=": "lteq",
    "le": "lteq",
    "in": "in",
}
_KIND_TESTS: dict[str, tuple[str, ...]] = {
    "string": ("str",),
    "integer": ("int",),
    "float": ("float",),
    "boolean": ("bool",),
    "number": ("int", "float", "bool", "decimal"),
    "mapping": ("struct",),
}


def lower_compare(lw: Lowering, node: nodes.Compare) -> Expr:
    """A chain of comparisons."""
    from pipelines.render.expressions import lower  # the passes refer to each other

    left = lower(lw, node.expr)
    out: Expr | None = None
    for operand in node.ops:
        if operand.op in ("in", "notin"):
            one = _membership(lw, left, operand.expr, operand)
            if operand.op == "notin":
                one = lw.negated(one)
            if len(node.ops) > 1:
                left = lower(lw, operand.expr)
        else:
            right = lower(lw, operand.expr)
            one = compare(lw, operand.op, left, right, operand)
            left = right
        out = one if out is None else lw.test("and", (out, one))
    assert out is not None
    return out


def compare(lw: Lowering, operator: str, left: Expr, right: Expr, node: nodes.Node) -> Expr:
    """One comparison."""
    if operator == "ne":
        return lw.negated(compare(lw, "eq", left, right, node))
    if operator == "eq":
        if left.type.kind == "none" and left.is_constant:
            left, right = right, left
        if right.type.kind == "none" and right.is_constant and left.type.kind not in ("object", "undefined"):
            return lw.test("is_none", (left,), True)
    if _comparable(left.type, right.type):
        return _made(lw, operator, left, right)
    exact = _as_decimals(lw, left, right)
    if exact is not None:
        return _made(lw, operator, *exact)
    raise UnvectorisedError(f"{operator} of a {left.type.kind} and a {right.type.kind}", node.lineno)


def _made(lw: Lowering, operator: str, left: Expr, right: Expr) -> Expr:
    if operator == "eq":
        return lw.test("equal", (left, right))
    return lw.test("compare", (left, right), operator)


def _comparable(left: Type, right: Type) -> bool:
    if left.is_number and right.is_number:
        return True
    if left.kind != right.kind:
        return False
    if left.kind in ("str", "date"):
        return True
    return left.kind in ("decimal", "timestamp") and left.arrow == right.arrow


def _as_decimals(lw: Lowering, left: Expr, right: Expr) -> tuple[Expr, Expr] | None:
    """A decimal column against a numeric constant that the column's own type holds exactly."""
    for one, other in ((left, right), (right, left)):
        if one.type.kind != "decimal" or not other.is_constant or not other.type.is_number:
            continue
        arrow = one.type.arrow
        assert arrow is not None
        value = decimal.Decimal(other.value)
        if not value.is_finite():
            return None
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        if -exponent > arrow.scale or value.adjusted() >= arrow.precision - arrow.scale:
            return None
        value = value.quantize(decimal.Decimal(1).scaleb(-arrow.scale))
        made = lw.builder.make("const", (), one.type, (value,))
        return (one, made) if one is left else (made, one)
    return None


def _membership(lw: Lowering, left: Expr, container: nodes.Expr, node: nodes.Node) -> Expr:
    from pipelines.render.expressions import bind, lower  # the passes refer to each other

    bound = bind(lw, container)
    if isinstance(bound, StaticList):
        if all(isinstance(i, Expr) and i.is_constant for i in bound.items):
            return _among(lw, left, [i.value for i in bound.items if isinstance(i, Expr)], node)
        out = lw.constant(False)
        for item in bound.items:
            if not isinstance(item, Expr):
                raise UnvectorisedError("membership in a nested list", node.lineno)
            out = lw.test("or", (out, compare(lw, "eq", left, item, node)))
        return lw.guarded(out, [i for i in bound.items if isinstance(i, Expr)])
    right = bound if isinstance(bound, Expr) else lower(lw, container)
    if right.is_constant and isinstance(right.value, (list, tuple, dict)):
        return _among(lw, left, list(right.value), node)
    if right.type.kind == "str" and left.is_constant and isinstance(left.value, str):
        return lw.test("in_text", (right,), left.value)
    if (
        right.type.kind == "list"
        and right.type.item.kind == left.type.kind
        and left.type.kind in ("str", "int")
    ):
        return lw.test("contains", (right, left))
    raise UnvectorisedError(f"a {left.type.kind} in a {right.type.kind}", node.lineno)


def _among(lw: Lowering, left: Expr, values: list[Any], node: nodes.Node) -> Expr:
    """Membership in constants; those of another kind can never be equal."""
    if left.type.kind not in ("str", "int", "bool"):
        raise UnvectorisedError(f"a {left.type.kind} among constants", node.lineno)
    kept: list[Any] = []
    for value in values:
        kind = type_of_constant(value).kind
        if kind == left.type.kind:
            kept.append(value)
        elif kind != "none" and (left.type.kind != "str" or kind == "object"):
            raise UnvectorisedError("membership among constants of several kinds", node.lineno)
    return lw.test("is_in", (left,), tuple(kept), None in values)


def lower_is(lw: Lowering, node: nodes.Test) -> Expr:
    """`value is test(...)`."""
    from pipelines.render.expressions import bind  # the passes refer to each other

    if node.dyn_args is not None or node.dyn_kwargs is not None or node.kwargs:
        raise UnvectorisedError(f"arguments of the test {node.name!r}", node.lineno)
    bound = bind(lw, node.node)
    if not isinstance(bound, Expr):
        if node.name in ("defined", "undefined"):
            return lw.constant(node.name == "defined")
        raise UnvectorisedError(f"the test {node.name!r} of something that is no value", node.lineno)
    return lower_test_of(lw, node.name, bound, node.args, node)


def lower_test_of(lw: Lowering, name: object, value: Expr, args: list[nodes.Expr], node: nodes.Node) -> Expr:
    """A test by name of a value."""
    from pipelines.render.expressions import lower  # the passes refer to each other

    if not isinstance(name, str):
        raise UnvectorisedError("a test's name that is no text", node.lineno)
    if name in _TEST_OPERATORS:
        if len(args) != 1:
            raise UnvectorisedError(f"arguments of the test {name!r}", node.lineno)
        operator = _TEST_OPERATORS[name]
        if operator == "in":
            return _membership(lw, value, args[0], node)
        return compare(lw, operator, value, lower(lw, args[0]), node)
    return _plain_test(lw, name, value, args, node)


def _plain_test(lw: Lowering, name: str, value: Expr, args: list[nodes.Expr], node: nodes.Node) -> Expr:
    kind = value.type.kind
    if name in ("defined", "undefined"):
        missing = lw.test("is_undefined", (value,))
        return missing if name == "undefined" else lw.negated(missing)
    if kind == "object":
        raise UnvectorisedError(f"the test {name!r} of an object", node.lineno)
    if name == "none":
        return lw.test("is_none", (value,), False)
    if name in _KIND_TESTS:
        if kind not in _KIND_TESTS[name]:
            return lw.test("is_of_kind", (value,), False)
        return lw.test("is_of_kind", (value,), True)
    if name in ("odd", "even") and kind == "int":
        return lw.test("is_whole_multiple", (value,), 2, int(name == "odd"))
    if name == "divisibleby" and kind == "int" and len(args) == 1:
        divisor = lw.literal(args[0], "the divisor")
        if isinstance(divisor, int) and not isinstance(divisor, bool) and divisor > 0:
            return lw.test("is_whole_multiple", (value,), divisor, 0)
    if name in ("lower", "upper") and kind == "str":
        return lw.make("distinct", (value,), BOOL, str.islower if name == "lower" else str.isupper)
    if name in ("true", "false") and kind == "bool":
        wanted = lw.constant(name == "true")
        return lw.test("equal", (value, wanted))
    raise UnvectorisedError(f"the test {name!r} of a {kind}", node.lineno)


def lookup(lw: Lowering, table: dict[Any, Any], key: Expr, node: nodes.Node) -> Expr:
    """An item of a constant dict by a computed key."""
    if key.is_constant:
        return lw.constant(table[key.value]) if key.value in table else lw.missing()
    if key.type.kind != "str" or not all(isinstance(k, str) for k in table):
        raise UnvectorisedError("a look-up in this dict", node.lineno)
    shape = constants.table_type(list(table.values()))
    if isinstance(shape, str):
        raise UnvectorisedError(shape, node.lineno)
    return lw.make("lookup", (key,), shape, *lw.table(table))
