"""Delivery rate: what a campaign may not send now gets its turn, some minutes later.

Invariant: of one unit no more messages of a campaign fall into any minute than its rate says. A hold that has waited
for its turn keeps it while it is released in time (`TURN_LASTS`), and is counted among its like alone; one that has
missed it, or has waited for something else, such as the end of quiet hours, is counted like all others. What earlier
units hold is told by `rate_free_at`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide.timing import TIMESTAMP
from pipelines.decide.verdicts import GATES_TYPE

GATE, REASON = "rate", "held_rate"
#: How long after its minute a turn can still be taken: the rate counts in minutes, and a release comes within seconds,
#: or after the restart of a driver. What is later has missed it: several releases that follow each other within
#: seconds would each send a whole minute's worth, into minutes that are others'.
TURN_LASTS = timedelta(minutes=2)
Steps = Sequence[Mapping[str, int]]
#: What the turns go by, beside campaign_id and whether a row has had one.
ORDER = ("occurred_at", "decision_id")


def find_turns(decided: pa.Table, rates: Mapping[str, Steps]) -> pa.Array:
    """The place of each row among the unit's messages of its campaign, from 0, by the trigger's time; null for rows
    that are not sent and for campaigns without a rate. Those that have had a turn count apart."""
    is_rated = pc.is_in(decided["campaign_id"], value_set=pa.array(list(rates), pa.string()))
    contenders = pc.indices_nonzero(pc.and_(pc.equal(decided["decision"], "sent"), is_rated))
    columns = {name: decided[name].take(contenders) for name in ("campaign_id", "has_turn", *ORDER)}
    queue = pa.table({"row": contenders, **columns}).sort_by([(name, "ascending") for name in ORDER])
    turns: list[int | None] = [None] * decided.num_rows
    counted: Counter[tuple[str, bool]] = Counter()
    keys = zip(*(queue[name].to_pylist() for name in ("row", "campaign_id", "has_turn")), strict=True)
    for row, campaign_id, has_turn in keys:
        turns[row] = counted[campaign_id, bool(has_turn)]
        counted[campaign_id, bool(has_turn)] += 1
    return pa.array(turns, pa.int64())


def stage_by_rate(
    decided: pa.Table, turns: pa.Array, rates: Mapping[str, Steps], clock: datetime
) -> pa.Table:
    """Hold the rows that would be sent and are over their campaign's rate, and add the gate to all. `decided`: rows of
    the ledger with `has_turn` and `rate_free_at`; grain unchanged."""
    count = decided.num_rows
    reasons, dues = decided["reason"].to_pylist(), decided["due_at"].to_pylist()
    decisions = decided["decision"].to_pylist()
    passed = [True] * count
    values: list[str | None] = [None] * count
    for row in pc.indices_nonzero(pc.is_valid(turns)).to_pylist():
        turn, steps = turns[row].as_py(), rates[decided["campaign_id"][row].as_py()]
        served = bool(decided["has_turn"][row].as_py())
        # What has had its turn has had its ramp: the last step's rate alone limits it.
        step = {**steps[-1], "first": 0, "minute": 0} if served else _step(steps, turn)
        minute = step["minute"] + (turn - step["first"]) // step["per_minute"]
        free_at = decided["rate_free_at"][row].as_py() or clock
        at = (clock if served else max(clock, free_at)) + timedelta(minutes=minute)
        values[row] = f"message {turn + 1} of the unit, {step['per_minute']} a minute"
        if at > clock:
            passed[row], decisions[row], reasons[row], dues[row] = False, "held", REASON, at
    verdicts = {
        "gates": _with_gate(decided["gates"].combine_chunks(), passed, values),
        "decision": pa.array(decisions, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "due_at": pa.array(dues, TIMESTAMP),
    }
    for name, column in verdicts.items():
        decided = decided.set_column(decided.column_names.index(name), decided.field(name), column)
    return decided


def _step(steps: Steps, turn: int) -> dict[str, int]:
    return dict([step for step in steps if step["first"] <= turn][-1])


def _with_gate(gates: pa.ListArray, passed: Sequence[bool], values: Sequence[str | None]) -> pa.ListArray:
    """The gates with one more behind; all rows have equally many."""
    rows, kind = len(gates), GATES_TYPE.value_type
    before = len(gates.flatten()) // rows if rows else 0
    named = [pa.repeat(pa.scalar(GATE), rows), pa.array(passed, pa.bool_()), pa.array(values, pa.string())]
    added = pa.StructArray.from_arrays(named, fields=list(kind))
    order = np.hstack(
        [np.arange(rows * before).reshape(rows, before), np.arange(rows)[:, None] + rows * before]
    )
    items = pa.concat_arrays([gates.flatten(), added]).take(pa.array(order.ravel()))
    offsets = np.arange(rows + 1, dtype="int32") * (before + 1)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items).cast(GATES_TYPE)
