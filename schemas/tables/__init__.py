"""The Delta tables of the lake, in the order of the flow; one module declares each."""

from schemas.tables import audience, cancellations, consents, holds, ledger, suppressions
from schemas.tables.table import Column, Table, conformed

TABLES: tuple[Table, ...] = (
    audience.TABLE,
    consents.TABLE,
    suppressions.TABLE,
    cancellations.TABLE,
    ledger.TABLE,
    holds.TABLE,
)

__all__ = ["TABLES", "Column", "Table", "conformed", "table"]


def table(name: str) -> Table:
    """The declaration of that name; a KeyError that lists the names otherwise."""
    for row in TABLES:
        if row.name == name:
            return row
    raise KeyError(f"unknown table '{name}'. Tables: {', '.join(row.name for row in TABLES)}")
