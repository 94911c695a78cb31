"""Candidates become decisions: one row of the ledger each, sent, held or not, with every gate's verdict.

Invariant: as many decisions leave as candidates came in, and a decision depends on nothing but the candidate, its
customer row in the pinned snapshot, its consents, what is joined to it (`pipelines.decide.rows`) and the pinned clock.
It is Arrow in, Arrow out: the driver decides an epoch with it, the executors a run. Does not write and does not render.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide.caps import apply_caps
from pipelines.decide.choice import add_choice
from pipelines.decide.gates import GATES, passed, reachable
from pipelines.decide.rate import Steps, find_turns, stage_by_rate
from pipelines.decide.reentry import add_reentered, add_rivals
from pipelines.decide.rows import JOINED, Rows, by_policy
from pipelines.decide.timing import HOLDS, add_times
from pipelines.decide.verdicts import Verdicts, concatenate
from pipelines.experiments import assign_variants
from schemas import ddl
from schemas.reasons import codes_of
from schemas.tables import table

LEDGER = table("ledger")
#: The ledger's columns, and those by which the delivery rate stages what would be sent.
STAGED = pa.schema(
    [*LEDGER.arrow_schema(), *(pa.field(n, ddl.arrow_type(JOINED[n])) for n in ("has_turn", "rate_free_at"))]
)


@dataclass(frozen=True)
class Unit:
    """What all decisions of a unit share. `policy`: the rules of all candidates, where they do not carry their own."""

    pipeline: str
    number: int
    clock: datetime
    audience_version: int
    policy: str | None = None


def decide(candidates: pa.Table, unit: Unit) -> pa.Table:
    """Ask all gates, then the holds, then compare the rows with each other: re-entry, caps, delivery rate. A row that
    waits is not sent by this unit: it is compared when it falls due.

    `candidates`: all of the unit, as `pipelines.match` makes them, with `customer` (struct, null when unknown) and what
    is joined to them. Grain of the result: one row per decision_id, in the columns of the ledger, stage 'decide'."""
    decided, rates = decide_unstaged(candidates, unit)
    if rates:
        decided = stage_by_rate(decided, find_turns(decided, rates), rates, unit.clock)
    return decided.select(LEDGER.column_names)


def decide_unstaged(candidates: pa.Table, unit: Unit) -> tuple[pa.Table, dict[str, Steps]]:
    """The decisions before the delivery rate, with the columns of `STAGED` beside those of the ledger, and the rates by
    campaign. All rows of a customer must be among the candidates, not all of the unit."""
    if not candidates.num_rows:
        return STAGED.empty_table(), {}
    groups = list(by_policy(candidates, unit.clock, unit.policy))
    verdicts = concatenate([judge(rows) for rows in groups])
    apply_caps(groups, verdicts)
    gates, start, parts = verdicts.gates(), 0, []
    rates: dict[str, Steps] = {}
    for rows in groups:
        found = [column.slice(start, len(rows)) for column in (verdicts.reason, verdicts.due_at, gates)]
        parts.append(_to_ledger(rows, unit, *found))
        start += len(rows)
        if steps := rows.rule("rate"):
            rates |= dict.fromkeys(pc.unique(rows.column("campaign_id")).to_pylist(), steps)
    return pa.concat_tables(parts), rates


def judge(rows: Rows) -> Verdicts:
    """The verdicts of gates and holds about rows that share a policy, and of their re-entry rule."""
    add_times(rows)
    add_reentered(rows)
    add_choice(rows, reachable(rows))
    verdicts = Verdicts(len(rows))
    for gate in GATES:
        verdicts.add(gate.name, gate.reason, passed(gate, rows), gate.evidence(rows))
    for hold in HOLDS:
        due = hold.due(rows)
        verdicts.add(hold.name, hold.reason, pc.is_null(due), hold.evidence(rows), due)
    add_rivals(rows, verdicts)
    return verdicts


def _variant(rows: Rows) -> pa.Array:
    variants = rows.rule("variants")
    if not variants:
        return rows.all(None, pa.string())
    return assign_variants(variants, rows.column("campaign_id"), rows.column("customer_id"))


def _run(rows: Rows, pipeline: str) -> pa.Array:
    """The run that each message is of: the one whose hold it was, else the one that decides."""
    holder = pc.coalesce(rows.column("run"), pa.scalar(pipeline))
    return pc.if_else(pc.equal(rows.column("source"), "run"), holder, pa.scalar(None, pa.string()))


def _to_ledger(rows: Rows, unit: Unit, reason: pa.Array, due_at: pa.Array, gates: pa.Array) -> pa.Table:
    held = pc.is_in(reason, value_set=pa.array(codes_of("held")))
    decided = pc.if_else(pc.is_null(reason), "sent", pc.if_else(held, "held", "excluded"))
    made: dict[str, Any] = {
        "stage": "decide",
        "pipeline": unit.pipeline,
        "unit": unit.number,
        "decision": decided,
        "reason": reason,
        "detail": None,
        "gates": gates,
        "locale": rows.customer("locale"),
        "variant": _variant(rows),
        "audience_version": unit.audience_version,
        "due_at": due_at,
        "decided_at": unit.clock,
        "decided_date": unit.clock.date(),
        "priority": rows.rule("priority"),
        "category": rows.rule("category"),
        "run": _run(rows, unit.pipeline),
    }
    columns = []
    for field in STAGED:
        value = made[field.name] if field.name in made else rows.column(field.name)
        columns.append(value.cast(field.type) if isinstance(value, pa.Array) else rows.all(value, field.type))
    return pa.table(columns, schema=STAGED)
