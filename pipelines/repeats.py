"""Which candidates repeat a message that was decided before, in this epoch or in an earlier one.

Invariant: of all candidates that share a `message_id`, over all time, exactly one is not repeated: the first by
(epoch, origin). The ledger is the memory; it does not expire. A trigger that comes again is repeated on a channel too
that its campaign has got since.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipelines.decide.rows import whole_array
from pipelines.identity import uuid5_of
from schemas.channels import CHANNEL_NAMES


def find_seen(candidates: pa.Table, among: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Whether an earlier unit has decided about a candidate's trigger, on whatever channel. `among`: for each message
    id whether the ledger has it."""
    count = candidates.num_rows
    about = [whole_array(candidates[name]) for name in ("campaign_id", "source_id", "customer_id")]
    ids = [uuid5_of((), *about, pa.repeat(channel, count)) for channel in CHANNEL_NAMES]
    # Of an unknown campaign there is no channel; that it was unknown once decides nothing about it now.
    ids.append(whole_array(candidates["message_id"]))
    found = among(pa.concat_arrays(ids)).to_numpy(zero_copy_only=False)
    return pa.array(found.reshape(len(ids), count).any(axis=0))


def mark_repeats(candidates: pa.Table, is_seen: pa.Array) -> pa.Table:
    """Add `is_repeated`, or say it anew. Grain unchanged: one row per decision_id. `is_seen`: whether an earlier unit
    has decided about a candidate's trigger. The candidates come from triggers and events; a run cannot repeat them,
    because its id is part of the message id."""
    count = candidates.num_rows
    # A hold is the message that was seen, not another one like it.
    has_holds = "hold_id" in candidates.column_names
    held = candidates["hold_id"].to_pylist() if has_holds else [None] * count
    origins, ids = candidates["origin"].to_pylist(), candidates["message_id"].to_pylist()
    seen, met = is_seen.to_pylist(), set()
    repeated = [False] * count
    for row in sorted(range(count), key=lambda row: origins[row]):
        if held[row] is None:
            repeated[row] = seen[row] or ids[row] in met
        met.add(ids[row])
    marks = pa.array(repeated, pa.bool_())
    if "is_repeated" in candidates.column_names:
        return candidates.set_column(candidates.column_names.index("is_repeated"), "is_repeated", marks)
    return candidates.append_column("is_repeated", marks)
