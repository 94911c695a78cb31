"""How a task's rows are cut: into chunks, one transaction each, and within a chunk by what renders them.

Invariant: cuts depend on the rows and their order alone, never on how Arrow cut them into record batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc


def rechunk(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Cut a stream of batches into tables of exactly `rows` rows (the last may be shorter)."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, rows)
            rest = table.slice(rows)
            waiting, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(waiting)


def groups(chunk: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """The rows of each (campaign version, channel), in the order of their names; order within is kept."""
    keys = (
        chunk.select(["campaign_version", "channel"]).group_by(["campaign_version", "channel"]).aggregate([])
    )
    pairs = sorted(zip(keys["campaign_version"].to_pylist(), keys["channel"].to_pylist(), strict=True))
    for version, channel in pairs:
        mask = pc.and_(pc.equal(chunk["campaign_version"], version), pc.equal(chunk["channel"], channel))
        yield version, channel, chunk if len(pairs) == 1 else chunk.filter(mask)
