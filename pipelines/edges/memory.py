"""What a stream's driver remembers between epochs: the lake's small tables, the message ids, the customers.

Invariant: it only saves reading: what an epoch is told from here is what the tables hold at the versions it pinned, or
a little later. Whoever asks about few gets few rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.customers import Customers
from pipelines.edges.mirror import Mirror, SeenMessages
from pipelines.edges.tables import Tables
from pipelines.suppression import suppressed_value
from schemas.channels import CHANNELS
from schemas.tables import Table, table

CONSENTS, SUPPRESSIONS, CANCELLATIONS = table("consents"), table("suppressions"), table("cancellations")


class Memory:
    """The memory of one driver about one lake."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.seen = SeenMessages(tables)
        self.customers = Customers(tables)
        self._mirrors = {t.name: Mirror(tables, t) for t in (CONSENTS, SUPPRESSIONS, CANCELLATIONS)}

    def changes(self, changed: Table, candidates: pa.Table) -> pa.Table:
        """The rows of a table of changes that can concern these candidates, which have their `customer`."""
        rows = self._mirrors[changed.name].rows()
        if changed.name == SUPPRESSIONS.name:
            return rows.filter(
                pc.is_in(rows["value"], value_set=pa.array(suppressible(candidates), pa.string()))
            )
        asked = candidates["customer_id"].combine_chunks()
        return rows.filter(pc.is_in(rows["customer_id"], value_set=asked))


def suppressible(candidates: pa.Table) -> list[str]:
    """Every value under which something can be suppressed that concerns one of the candidates."""
    return sorted(
        {value for row in candidates.select(["customer_id", "customer"]).to_pylist() for value in _of(row)}
    )


def _of(row: dict[str, object]) -> Iterable[str]:
    yield suppressed_value("customer", str(row["customer_id"]))
    customer = row["customer"] or {}
    assert isinstance(customer, dict)
    for address in filter(None, (customer.get(channel.address_column) for channel in CHANNELS)):
        yield suppressed_value("address", address)
        if "@" in address:
            yield suppressed_value("domain", address.rpartition("@")[2])
