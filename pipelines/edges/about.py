"""The decisions about one customer, without Spark and without reading those about everybody else.

Invariant: of the ledger's files that may hold the customer, by what Delta's log says of them, the one column that tells
is read, and the others only of those that do. An SQL engine asks for each file three times as often.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.mirror import TableFiles
from pipelines.edges.tables import Tables
from schemas.tables import table

LEDGER = table("ledger")


def decisions_about(
    tables: Tables, customers: Collection[str], columns: Sequence[str], campaign_id: str | None = None
) -> list[dict[str, Any]]:
    """The rows of the newest ledger about a customer, who may have several names, where given those of one campaign;
    with these columns and `customer_id`, in no order. Raises `ServerError` when S3 does not answer."""
    asked = {"customer_id": sorted(customers)}
    if campaign_id is not None:
        asked["campaign_id"] = [campaign_id]
    files = TableFiles(tables, LEDGER, list(asked), lambda rows: bool(pc.any(_holds(rows, asked)).as_py()))
    files.refresh(lambda known: may_hold(known, asked))
    names = [name for name, is_found in files.held.items() if is_found]
    found = files.read(names, ["customer_id", *columns], lambda rows: rows.filter(_holds(rows, asked)))
    return [row for rows in found for row in rows.to_pylist()]


def _holds(rows: pa.Table, asked: dict[str, list[str]]) -> pa.ChunkedArray:
    """Of each row whether it has one of the values in each of the columns."""
    return reduce(
        pc.and_, [pc.is_in(rows[name], value_set=pa.array(values)) for name, values in asked.items()]
    )


def may_hold(files: pa.Table, asked: Mapping[str, Sequence[str]]) -> pa.Array:
    """Of each file whether its rows can have one of the values in each of the columns, by its bounds. `files`: the add
    actions of the log, flat."""
    found = pa.repeat(True, files.num_rows)
    for name, values in asked.items():
        bounds = f"min.{name}", f"max.{name}"
        if set(bounds) <= set(files.column_names):
            first, last = (files[bound] for bound in bounds)
            within = [pc.and_(pc.less_equal(first, value), pc.less_equal(value, last)) for value in values]
            found = pc.and_(found, pc.fill_null(reduce(pc.or_, within), True))
    return found
