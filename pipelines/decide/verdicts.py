"""What was found about the candidates of a unit: each gate's verdict, the first decisive reason, until when it waits.

Invariant: a reason, once given, is kept: a later step judges only those that have none. Every step says something of
every row, so that the record has all gates for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide.timing import TIMESTAMP

_GATE = pa.struct([("gate", pa.string()), ("passed", pa.bool_()), ("value", pa.string())])
GATES_TYPE = pa.list_(pa.field("element", _GATE))


@dataclass
class Verdicts:
    """The verdicts about so many rows, step by step."""

    count: int
    names: list[str] = field(default_factory=list)
    passed: list[pa.Array] = field(default_factory=list)
    values: list[pa.Array] = field(default_factory=list)
    reason: pa.Array = None
    due_at: pa.Array = None

    def __post_init__(self) -> None:
        self.reason = pa.nulls(self.count, pa.string())
        self.due_at = pa.nulls(self.count, TIMESTAMP)

    def add(self, name: str, reason: str, passed: pa.Array, value: pa.Array, due: pa.Array = None) -> None:
        """A step's verdicts; `due` until when those wait who do not pass."""
        self.names.append(name)
        self.passed.append(passed)
        self.values.append(value)
        stops = pc.and_(pc.is_null(self.reason), pc.invert(passed))
        if pc.any(stops).as_py():
            self.reason = pc.if_else(stops, reason, self.reason)
            if due is not None:
                self.due_at = pc.if_else(stops, due, self.due_at)

    @property
    def open(self) -> pa.Array:
        """The rows without a reason, as indices."""
        return pc.indices_nonzero(pc.is_null(self.reason))

    def gates(self) -> pa.Array:
        """All verdicts of each row, in the order of the steps."""
        steps, rows = len(self.names), self.count
        # Row after row: what lies step after step is taken in that order.
        order = pa.array((np.arange(rows)[:, None] + rows * np.arange(steps)).ravel())
        named = pa.DictionaryArray.from_arrays(np.tile(np.arange(steps, dtype="int8"), rows), self.names)
        items = pa.StructArray.from_arrays(
            [
                named.cast(pa.string()),
                pa.concat_arrays(self.passed).take(order),
                pa.concat_arrays(self.values).take(order),
            ],
            fields=list(_GATE),
        )
        offsets = np.arange(rows + 1, dtype="int32") * steps
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items).cast(GATES_TYPE)


def concatenate(parts: list[Verdicts]) -> Verdicts:
    """The verdicts of all parts, which went through the same steps, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    whole = Verdicts(sum(part.count for part in parts), parts[0].names)
    whole.passed = [pa.concat_arrays(arrays) for arrays in zip(*(part.passed for part in parts), strict=True)]
    whole.values = [pa.concat_arrays(arrays) for arrays in zip(*(part.values for part in parts), strict=True)]
    whole.reason = pa.concat_arrays([part.reason for part in parts])
    whole.due_at = pa.concat_arrays([part.due_at for part in parts])
    return whole
