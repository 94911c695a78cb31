"""Evaluation: a domain's rows in one batch, and the values of its expressions.

Invariant: each expression is evaluated at most once for a domain and batch; a value of an outer domain is
computed there and taken into the inner one. Does not emit text: `execute` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.render.frame_protocol import RunLike
from pipelines.render.ir import Domain, Expr
from pipelines.render.kernels.rows import as_object
from pipelines.render.kernels.table import KERNELS
from pipelines.render.kernels.vector import Mask, Vec, check_items, either, offsets_of


class Frame:
    """The rows of one domain."""

    def __init__(
        self, domain: Domain, size: int, parent: Frame | None = None, items: Any = None, offsets: Any = None
    ) -> None:
        self.domain = domain
        self.size = size
        self.parent = parent
        self.items = items
        self.offsets = offsets
        self.refused: Mask | None = None
        self.batch: pa.RecordBatch | None = None
        self.active: Mask | None = None
        self.run: RunLike | None = None if parent is None else parent.run
        self._values: dict[Expr, Vec] = {}
        self._children: dict[Domain, Frame] = {}
        self._parents: Any = None

    @property
    def parents(self) -> Any:
        """The row of the outer frame that each item belongs to."""
        if self._parents is None:
            counts = np.diff(self.offsets)
            self._parents = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        return self._parents

    @property
    def batch_rows(self) -> Any:
        """The batch's row that each row of this frame belongs to."""
        if self.parent is None:
            return np.arange(self.size, dtype=np.int64)
        return self.parent.batch_rows[self.parents]

    @classmethod
    def of_batch(cls, domain: Domain, batch: pa.RecordBatch) -> Frame:
        frame = cls(domain, batch.num_rows)
        frame.batch = batch
        return frame

    def eval(self, expr: Expr) -> Vec:
        """The expression's value for each row of this frame."""
        value = self._values.get(expr)
        if value is not None:
            return value
        if expr.name == "const":
            value = self._constant(expr)
        elif expr.domain is not self.domain:
            if self.parent is None:
                value = KERNELS[expr.name](self, expr)
            else:
                value = self.parent.eval(expr).take(self.parents)
        else:
            value = KERNELS[expr.name](self, expr)
        self._values[expr] = value
        return value

    def release(self) -> None:
        """Lets go of all values now: frames refer to each other, and a cycle waits for the garbage collector."""
        for child in self._children.values():
            child.release()
        self._children.clear()
        self._values.clear()
        self.parent = self.run = None

    def _constant(self, expr: Expr) -> Vec:
        if expr.type.arrow is None:
            return Vec([expr.value] * self.size)
        if expr.scalar is None:
            expr.scalar = pa.scalar(expr.value, expr.type.arrow)
        return Vec(expr.scalar)

    def args(self, expr: Expr) -> list[Vec]:
        """The arguments' values; at least one is an array, so that kernels give arrays."""
        values = [self.eval(arg) for arg in expr.args]
        if values and all(v.is_scalar for v in values):
            values[0] = Vec(self.array(values[0]), values[0].undefined, values[0].bad)
        return values

    def array(self, value: Vec) -> Any:
        """The value's data as an array."""
        return pa.repeat(value.data, self.size) if value.is_scalar else value.data

    def objects(self, expr: Expr) -> list[Any]:
        """The value as Python objects; what is not defined reads None."""
        value = self.eval(expr)
        if isinstance(value.data, list):
            return value.data
        if value.is_scalar:
            return [as_object(value.data.as_py(), expr)] * self.size
        held: list[Any] = value.data.to_pylist(maps_as_pydicts="lossy")
        return [as_object(v, expr) for v in held] if expr.type.markup else held

    def bools(self, expr: Expr) -> tuple[Any, Mask | None]:
        """A test as a boolean array without nulls, and the rows in which it failed."""
        value = self.eval(expr)
        data = self.array(value)
        return (data.fill_null(False) if data.null_count else data), value.failed

    def child(self, domain: Domain) -> Frame:
        """The frame of the items of `domain.items`, for each row of this frame."""
        made = self._children.get(domain)
        if made is None:
            made = self._children[domain] = self._unrolled(domain)
        return made

    def _unrolled(self, domain: Domain) -> Frame:
        assert domain.items is not None
        value = self.eval(domain.items)
        data = self.array(value)
        refused = value.failed
        if data.null_count:
            nulls = value.nulls()
            refused = either(refused, nulls)
        offsets = offsets_of(data)
        total = int(offsets[-1])
        check_items(total)
        frame = Frame(domain, total, self, data.flatten(), offsets)
        frame.refused = refused
        return frame
