"""The recipients of a run: the ledger's decisions to send meet their customers, at the task that publishes them.

Invariant: order and company of the recipients of a send partition are a function of what the manifest pins and the
ledger says, whatever the files and tasks were: a run that is started again cuts the same transactions. What Spark
shuffles are pieces of Arrow (`pipelines.scatter`), never rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.campaigns import CampaignSpec
from pipelines.edges.few import session_like
from pipelines.edges.scans import FilePart, TableScan
from pipelines.edges.tables import Tables
from pipelines.errors import InputError
from pipelines.lanes import sort_to_publish
from pipelines.scatter import PIECE_COLUMNS, Spread, gather, scatter

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

#: Which order that is. Manifests pin it: a change of the order, of `Spread` or of the chunks makes it another number.
PUBLISH_ORDER = 2

_PART_COLUMNS = "side int, path string, size bigint, part int, parts int"
#: Pieces that a task is given at a time: each may hold thousands of recipients.
_SETTINGS = {"spark.sql.execution.arrow.maxRecordsPerBatch": "8"}


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
        spread = Spread.of(max(sent, customers), send_partitions)
        rows = [(0, *part) for part in sent_parts] + [(1, *part) for part in customer_parts]
        session = session_like(spark, _SETTINGS)
        return (
            session.createDataFrame(rows, _PART_COLUMNS)
            .repartition(max(1, len(rows)))
            .mapInArrow(self._scatter(spread), PIECE_COLUMNS)
            .repartitionById(send_partitions, F.col("send_partition"))
            .sortWithinPartitions("bucket")
        )

    def _scatter(self, spread: Spread) -> Task:
        scans = (self.sent, self.customers)

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for row in batch.to_pylist():
                    side = row.pop("side")
                    for found in scans[side].read(FilePart(**row)):
                        if found.num_rows:
                            yield scatter(found, side, spread)

        return read

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
