"""Arrow values as Python objects, column by column.

Invariant: the same objects as `to_pylist` gives (maps as dicts), with only the needed fields of
structs. Does not wrap or escape anything.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.pruning import ALL, Need


def objects_of(data: Any, need: Need | None = None) -> list[Any]:
    """The values of an array; of structs only the needed fields."""
    if need is not None and ALL in need:
        need = None
    if pa.types.is_struct(data.type):
        return _structs(data, need)
    if pa.types.is_list(data.type) or pa.types.is_large_list(data.type):
        return _lists(data, None if need is None else need.get("[]", {}))
    held: list[Any] = data.to_pylist(maps_as_pydicts="lossy")
    return held


def _structs(data: Any, need: Need | None) -> list[Any]:
    names = [f.name for f in data.type if need is None or f.name in need]
    columns = [
        objects_of(
            pc.struct_field(data, name) if data.null_count else data.field(name),
            None if need is None else need[name],
        )
        for name in names
    ]
    rows: list[Any] = [dict(zip(names, held, strict=True)) for held in zip(*columns, strict=True)]
    if not columns:
        rows = [{} for _ in range(len(data))]
    if data.null_count:
        rows = [row if valid else None for row, valid in zip(rows, data.is_valid().to_pylist(), strict=True)]
    return rows


def _lists(data: Any, need: Need | None) -> list[Any]:
    items = objects_of(data.flatten(), need)
    out: list[Any] = []
    at = 0
    for length in data.value_lengths().to_pylist():
        if length is None:
            out.append(None)
            continue
        out.append(items[at : at + length])
        at += length
    return out


def rows_of(batch: pa.RecordBatch, needs: Need | None = None) -> list[dict[str, Any]]:
    """Each row as plain Python values."""
    names = [name for name in batch.schema.names if needs is None or name in needs]
    columns = [objects_of(batch.column(name), None if needs is None else needs[name]) for name in names]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, held, strict=True)) for held in zip(*columns, strict=True)]
