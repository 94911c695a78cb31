"""What a stream's driver remembers between epochs: the lake's small tables, the message ids, the customers.

Invariant: it only saves reading: what an epoch is told from here is what the tables hold at the versions it pinned, or
a little later. Whoever asks about few gets few rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.customers import Customers
from pipelines.edges.mirror import Mirror, SeenMessages
from pipelines.edges.open_holds import OpenHolds
from pipelines.edges.sent import SentMessages
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
        self.sent = SentMessages(tables)
        self.customers = Customers(tables)
        self.holds = OpenHolds(tables)
        self._mirrors = {t.name: Mirror(tables, t) for t in (CONSENTS, SUPPRESSIONS, CANCELLATIONS)}

    def changes(self, changed: Table, candidates: pa.Table, at_least: int | None = None) -> pa.Table:
        """The rows of a table of changes that can concern these candidates, which have their `customer`: the newest, or
        those of a version that is `at_least` this one."""
        rows = self._mirrors[changed.name].rows(at_least)
        if changed.name == SUPPRESSIONS.name:
            return rows.filter(
                pc.is_in(rows["value"], value_set=pa.array(suppressible(candidates), pa.string()))
            )
        asked = candidates["customer_id"].combine_chunks()
        return rows.filter(pc.is_in(rows["customer_id"], value_set=asked))


def suppressible(candidates: pa.Table) -> list[str]:
    """Every value under which something can be suppressed that concerns one of the candidates."""
    customers = candidates["customer"].combine_chunks()
    # Whole customers, with their orders and consents, would be made into Python for an address or two.
    addresses = {
        address
        for channel in CHANNELS
        for address in pc.unique(pc.struct_field(customers, channel.address_column)).to_pylist()
        if address
    }
    names = pc.unique(candidates["customer_id"]).to_pylist()
    found = {suppressed_value("customer", name) for name in names}
    found |= {suppressed_value("address", address) for address in addresses}
    return sorted(found | {suppressed_value("domain", a.rpartition("@")[2]) for a in addresses if "@" in a})
