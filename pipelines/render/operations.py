"""The table of what a template can contain, and how each thing is rendered.

Invariant: every syntax node that `parse` allows is here once; a test holds it against the passes.
VECTORISED has kernels, LOWERED becomes other operations while the template is compiled, ROW_WISE is
rendered by Jinja2 for exactly that piece. A vectorised node whose types have no kernel falls back too, and
coverage says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from jinja2 import nodes


class How(Enum):
    """How a construct is rendered."""

    VECTORISED = "vectorised"
    LOWERED = "lowered"
    ROW_WISE = "row-wise"


_V, _L, _R = How.VECTORISED, How.LOWERED, How.ROW_WISE

OPERATIONS: Mapping[type[nodes.Node], How] = {
    # Statements
    nodes.Template: _L,
    nodes.Output: _V,
    nodes.TemplateData: _L,
    nodes.If: _V,
    nodes.For: _V,
    nodes.Assign: _L,
    nodes.AssignBlock: _V,
    nodes.With: _L,
    nodes.Scope: _L,
    nodes.Macro: _L,
    nodes.CallBlock: _L,
    nodes.FilterBlock: _V,
    nodes.Block: _L,
    nodes.Extends: _L,
    nodes.Include: _L,
    nodes.Import: _L,
    nodes.FromImport: _L,
    nodes.Break: _R,
    nodes.Continue: _R,
    nodes.ExprStmt: _R,
    nodes.EvalContextModifier: _R,
    nodes.ScopedEvalContextModifier: _R,
    # Expressions
    nodes.Const: _L,
    nodes.Name: _V,
    nodes.NSRef: _R,
    nodes.Getattr: _V,
    nodes.Getitem: _V,
    nodes.Slice: _V,
    nodes.Filter: _V,
    nodes.Test: _V,
    nodes.Call: _V,
    nodes.Concat: _V,
    nodes.CondExpr: _V,
    nodes.Compare: _V,
    nodes.Operand: _V,
    nodes.And: _V,
    nodes.Or: _V,
    nodes.Not: _V,
    nodes.Neg: _V,
    nodes.Pos: _R,
    nodes.Add: _V,
    nodes.Sub: _V,
    nodes.Mul: _V,
    nodes.Div: _V,
    nodes.FloorDiv: _V,
    nodes.Mod: _V,
    nodes.Pow: _R,
    nodes.List: _L,
    nodes.Tuple: _L,
    nodes.Dict: _L,
    nodes.Pair: _L,
    nodes.Keyword: _L,
    nodes.MarkSafe: _R,
    nodes.MarkSafeIfAutoescape: _R,
}
