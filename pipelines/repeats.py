"""Which candidates repeat a message that was decided before, in this epoch or in an earlier one.

Invariant: of all candidates that share a `message_id`, over all time, exactly one is not repeated: the first by
(epoch, origin). The ledger is the memory; it does not expire.
"""

from __future__ import annotations

import pyarrow as pa


def mark_repeats(candidates: pa.Table, is_seen: pa.Array) -> pa.Table:
    """Add `is_repeated`. Grain unchanged: one row per decision_id. `is_seen`: whether an earlier unit has decided a
    candidate's message. The candidates come from triggers and events; a run cannot repeat them, because its id is part
    of the message id."""
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
    return candidates.append_column("is_repeated", pa.array(repeated, pa.bool_()))
