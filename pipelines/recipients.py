"""The recipients of a run: the ledger's decisions to send meet their customers, at the task that publishes them.

Invariant: order and company of the recipients of a send partition are a function of what the manifest pins and the
ledger says, whatever the files and tasks were: a run that is started again cuts the same transactions. What Spark
shuffles are pieces of Arrow (`pipelines.scatter`), never rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from pipelines.campaigns import CampaignSpec
from pipelines.edges.scans import TableScan
from pipelines.edges.tables import Tables
from pipelines.errors import InputError
from pipelines.lanes import sort_to_publish
from pipelines.pieces import Side, Task, pieces_of
from pipelines.scatter import Spread, gather

#: Which order that is. Manifests pin it: a change of the order, of `Spread` or of the chunks makes it another number.
PUBLISH_ORDER = 2


@dataclass(frozen=True)
class Recipients:
    """`sent`: the scan of the ledger for the unit's decisions to send. `customers`: that of the snapshot, at `version`,
    with `customer_id` and the fields that messages are made of."""

    sent: TableScan
    customers: TableScan
    version: int

    def pieces(self, spark: SparkSession, tables: Tables, send_partitions: int, sent: int) -> DataFrame:
        """Pieces of both, each at its send partition, those of a bucket together; `sent`: how many decisions."""
        sent_parts, _ = tables.parts(self.sent)
        customer_parts, customers = tables.parts(self.customers, self.version)
        sides = (Side(self.sent, sent_parts), Side(self.customers, customer_parts))
        return pieces_of(spark, sides, Spread.of(max(sent, customers), send_partitions))

    def arranged(self, task: Task, campaigns: Mapping[str, CampaignSpec]) -> Task:
        """The task, given the recipients of one send partition in the order in which they are published: bucket by
        bucket, each as `sort_to_publish` says."""
        schemas = (self.sent.schema, self.customers.schema)

        def recipients(pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for sent, customers in gather(pieces, schemas):
                if sent.num_rows:
                    rows = with_customers(sort_to_publish(sent, campaigns), as_struct(customers))
                    yield from rows.combine_chunks().to_batches()

        return lambda pieces: task(recipients(pieces))


def as_struct(customers: pa.Table) -> pa.Table:
    """`customer_id`, and all columns as `customer`."""
    whole = customers.combine_chunks()
    return pa.table({"customer_id": whole["customer_id"], "customer": whole.to_struct_array()})


def with_customers(sent: pa.Table, customers: pa.Table) -> pa.Table:
    """The decisions with the `customer` of each; among `customers` each is once. Raises `InputError`."""
    places = pc.index_in(sent["customer_id"], value_set=customers["customer_id"].combine_chunks())
    if places.null_count:
        raise InputError(
            f"{places.null_count} decisions to send are about customers who are not in the pinned snapshot of the "
            "audience: it is not the one that they were decided with. Nothing is sent of this part of the unit."
        )
    return sent.append_column("customer", customers["customer"].take(places))
