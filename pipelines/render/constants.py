"""Pass 3, shared values: data that is the same for every row, such as `content`, is known while compiling.

Invariant: an expression over shared values alone is computed once, by Jinja2, and costs nothing for each
row; what only a row can decide is left to the caller. A row's own variables come before shared ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pyarrow as pa
from jinja2 import Undefined, nodes
from markupsafe import Markup

from pipelines.render.ir import Expr
from pipelines.render.sandbox import ReferenceEnvironment
from pipelines.render.types import Type, type_of_constant

if TYPE_CHECKING:
    from pipelines.render.lowering import Lowering

_N = TypeVar("_N", bound=nodes.Node)
_PLAIN = (str, Markup, int, float, bool, type(None), list, tuple, dict)
_SCALARS = ("str", "int", "float", "bool")
_VIEWS = frozenset({"items", "keys", "values"})


def install(environment: ReferenceEnvironment, content: Mapping[str, Any]) -> None:
    """Makes the reference tables visible to every template, imported ones too."""
    environment.constants = {"content": dict(content)} if content else {}
    environment.globals.update(environment.constants)


def substituted(lw: Lowering, node: _N) -> _N:
    """A copy of the expression with its names as literals; raises `nodes.Impossible` when a row decides one of them."""
    if isinstance(node, nodes.Name):
        return cast("_N", nodes.Const(_value_of(lw, node), lineno=node.lineno))
    made = object.__new__(type(node))
    for field in node.fields:
        value = getattr(node, field)
        if isinstance(value, list):
            value = [substituted(lw, v) if isinstance(v, nodes.Node) else v for v in value]
        elif isinstance(value, nodes.Node):
            value = substituted(lw, value)
        setattr(made, field, value)
    for attribute in node.attributes:
        setattr(made, attribute, getattr(node, attribute, None))
    return made


def _value_of(lw: Lowering, node: nodes.Name) -> Any:
    bound = lw.scope.lookup(node.name)
    if isinstance(bound, Expr) and bound.is_constant and isinstance(bound.value, (dict, list)):
        return bound.value
    if bound is not None or lw.column(node.name) is not None or node.name not in lw.environment.constants:
        raise nodes.Impossible
    return lw.environment.constants[node.name]


def plain(value: Any) -> Any:
    """The value when it is data; a method or a generator belongs to one rendering and raises."""
    if type(value) not in _PLAIN:
        raise nodes.Impossible
    return value


def member(lw: Lowering, base: Expr, name: str) -> Expr | None:
    """`base.name` of a shared value; None when it is a method."""
    found = lw.environment.getattr(base.value, name)
    if isinstance(found, Undefined):
        return lw.missing()
    return lw.constant(found) if type(found) in _PLAIN else None


def looped(lw: Lowering, node: nodes.Expr) -> list[Any] | None:
    """What a loop over a shared dict or over its `items()`, `keys()` or `values()` goes through."""
    view = "keys"
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _VIEWS:
        if node.args or node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            return None
        view, node = node.node.attr, node.node.node
    try:
        value = lw.constant_of(node)
    except nodes.Impossible:
        return None
    if type(value) is not dict or view in value:
        return None
    return list(getattr(value, view)())


def table_type(values: list[Any]) -> Type | str:
    """The one type of a table's entries, or why they have none. None is a value of any type."""
    present = [value for value in values if value is not None]
    if not present:
        return "a look-up among no values"
    if all(type(value) is dict for value in present):
        return _struct_type(present)
    if all(type(value) is list for value in present):
        inner = table_type([item for value in present for item in value])
        return inner if isinstance(inner, str) else Type("list", pa.list_(inner.arrow))
    types = {type_of_constant(value) for value in present}
    if len(types) > 1:
        return "a look-up among values of several types (write 12.0 beside 14.5)"
    (shape,) = types
    if shape.kind not in _SCALARS or shape.markup:
        return f"a look-up among values of the kind {shape.kind}"
    return shape


def _struct_type(entries: list[dict[Any, Any]]) -> Type | str:
    names = list(entries[0])
    if any(entry.keys() != entries[0].keys() for entry in entries) or not names:
        return "a look-up among entries that do not have the same fields"
    fields = []
    for name in names:
        if not isinstance(name, str):
            return "a look-up among entries with a field that is no text"
        shape = table_type([entry[name] for entry in entries])
        if isinstance(shape, str):
            return f"{shape}, in the field {name!r}"
        fields.append((name, shape.arrow))
    return Type("struct", pa.struct(fields))
