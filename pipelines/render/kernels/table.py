"""The table of kernels: the one place where an operation's name meets its code.

Invariant: every operation that lowering makes is here. Holds no logic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.render.ir import Expr
from pipelines.render.kernels import access, arithmetic, lists, logic, rows, strings
from pipelines.render.kernels.vector import Vec

Kernel = Callable[[Any, Expr], Vec]

KERNELS: Mapping[str, Kernel] = {
    "column": access.column,
    "item": access.item,
    "undefined": access.undefined,
    "field": access.field,
    "index": access.index,
    "edge": access.edge,
    "select": access.select,
    "guard": access.guard,
    "missing": access.missing,
    "lookup": access.lookup,
    "is_undefined": access.is_undefined,
    "loop_field": access.loop_field,
    "loop_object": access.loop_object,
    "neighbour": access.neighbour,
    "truthy": logic.truthy,
    "not": logic.negate,
    "and": logic.both,
    "or": logic.one_of,
    "compare": logic.compare,
    "equal": logic.equal,
    "is_none": logic.is_none,
    "is_of_kind": logic.is_of_kind,
    "is_in": logic.is_in,
    "in_text": logic.in_text,
    "affix": logic.affix,
    "is_whole_multiple": logic.is_whole_multiple,
    "arithmetic": arithmetic.arithmetic,
    "round": arithmetic.rounded,
    "negative": arithmetic.negative,
    "absolute": arithmetic.absolute,
    "to_text": strings.to_text,
    "output": strings.output,
    "relabel": strings.relabel,
    "capture": strings.capture,
    "escape": strings.escape,
    "concat": strings.concat,
    "distinct": strings.distinct,
    "cased": strings.cased,
    "length": strings.length,
    "replace": strings.replace,
    "slice_text": strings.slice_text,
    "map_items": lists.map_items,
    "filter_items": lists.filter_items,
    "join": lists.join,
    "total": lists.total,
    "slice_list": lists.slice_list,
    "reverse": lists.reverse,
    "contains": lists.contains,
    "range": lists.count_up,
    "helper": rows.helper,
    "row_values": rows.row_values,
}
