"""Several tables are brought together by customer: tasks cut what they read into pieces, and Spark shuffles the pieces.

Invariant: whoever asks for a send partition gets its buckets one after the other, and of each bucket all rows of all
sides. A side is the rows of a scan, or those that Spark holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.edges.few import session_like
from pipelines.edges.scans import FilePart, TableScan
from pipelines.scatter import PIECE_COLUMNS, Spread, scatter

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_PART_COLUMNS = "place int, side int, path string, size bigint, part int, parts int"
#: A piece may hold thousands of rows, and a row that is cut into a piece is small: bytes bound what is held at a time.
_SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 1024 * 1024),
    # How many tasks there are is said here: planning while it runs only makes more jobs of it.
    "spark.sql.adaptive.enabled": "false",
}


@dataclass(frozen=True)
class Side:
    """A scan, and the parts of it there are."""

    scan: TableScan
    parts: Sequence[FilePart]


def pieces_of(
    spark: SparkSession, sides: Sequence[Side], spread: Spread, rows: DataFrame | None = None
) -> DataFrame:
    """Pieces of all sides, each at its send partition, those of a bucket together. `rows`, with a `customer_id`, are
    one side more, the last. Runs nothing by itself."""
    parts = [(number, part) for number, side in enumerate(sides) for part in side.parts]
    # A task for each, the longest first: spread by chance, two large ones were read one after the other.
    parts.sort(key=lambda each: each[1].size // each[1].parts, reverse=True)
    files = [(place, number, *part) for place, (number, part) in enumerate(parts)]
    session = session_like(spark, _SETTINGS)
    found = (
        session.createDataFrame(files, _PART_COLUMNS)
        .repartitionById(max(1, len(files)), F.col("place"))
        .mapInArrow(_read([side.scan for side in sides], spread), PIECE_COLUMNS)
    )
    if rows is not None:
        found = found.unionByName(rows.mapInArrow(_cut(len(sides), spread), PIECE_COLUMNS))
    by_partition = found.repartitionById(spread.send_partitions, F.col("send_partition"))
    return by_partition.sortWithinPartitions("bucket")


def _read(scans: Sequence[TableScan], spread: Spread) -> Task:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                side, part = row["side"], FilePart(*(row[name] for name in FilePart._fields))
                for found in scans[side].read(part):
                    if found.num_rows:
                        yield scatter(found, side, spread)

    return read


def _cut(side: int, spread: Spread) -> Task:
    return lambda batches: (scatter(batch, side, spread) for batch in batches if batch.num_rows)
