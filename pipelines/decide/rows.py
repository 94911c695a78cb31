"""Candidates as the gates see them: record batches of one policy, and the columns that are computed of them.

Invariant: a column that a stage did not join reads as null, here and nowhere else; so no gate asks whether a stage ran.
All channels of one (origin, campaign, customer) are decided in the same unit: channel choice compares them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas import ddl

Policy = Mapping[str, Any]

#: Column to type; null when the stage that fills it did not run.
#: policy: the rules as `pipelines.decide.policy` writes them. granted: the recorded consent. suppressed_by: what stands
#: against writing. cancelled_by: id of the event that cancelled the trigger. entries, sent_before: earlier messages,
#: for re-entry rules and for caps (`pipelines.history`). is_due: the row is a hold that has fallen due, whose delay is
#: served; all else is judged anew. has_turn: such a hold has waited for its place in the delivery rate, and comes in
#: time to take it. outside_of: the clause of the audience rule that the customer fails, null for members. rate_free_at:
#: from when on the campaign's delivery rate has room beside what is held already; null: at once. run: the pipeline of
#: the run whose hold it is.
#: turn: the row's place among those that the delivery rate spaces.
JOINED: dict[str, str] = {
    "policy": "string",
    "granted": "boolean",
    "is_repeated": "boolean",
    "suppressed_by": "string",
    "cancelled_by": "string",
    "entries": "array<struct<sent_at timestamp, source_id string, data string>>",
    "sent_before": (
        "array<struct<at timestamp, campaign_id string, category string, channel string, message_id string>>"
    ),
    "is_due": "boolean",
    "has_turn": "boolean",
    "outside_of": "string",
    "rate_free_at": "timestamp",
    "run": "string",
}
#: What decisions read of a customer; a run hands over no more than this.
CUSTOMER_FIELDS = (
    "customer_id",
    "email",
    "phone",
    "push_token",
    "locale",
    "time_zone",
    "preferred_channel",
    "invalid_channels",
)


@dataclass
class Rows:
    """The candidates of one unit that share a policy (None: an unknown campaign)."""

    table: pa.Table
    policy: Policy | None
    clock: datetime
    computed: dict[str, pa.Array] = field(default_factory=dict)
    #: The candidates' columns that were looked at.
    read: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        """A column of the candidates, or one that an earlier step computed."""
        self.read.add(name)
        if name not in self.computed:
            self.computed[name] = self._given(name)
        return self.computed[name]

    def customer(self, name: str) -> pa.Array:
        """A field of the customer's row; null when there is no customer."""
        path = f"customer.{name}"
        self.read.add(path)
        if path not in self.computed:
            if "customer" not in self.computed:
                self.computed["customer"] = self._given("customer")
            self.computed[path] = pc.struct_field(self.computed["customer"], name)
        return self.computed[path]

    def rule(self, name: str) -> Any:
        """A rule of the policy; None when the campaign is unknown or does not declare it."""
        self.read.add("policy")
        return None if self.policy is None else self.policy[name]

    def _given(self, name: str) -> pa.Array:
        if name not in self.table.column_names:
            return pa.nulls(len(self), ddl.arrow_type(JOINED[name]))
        return whole_array(self.table[name])

    def all(self, value: Any, kind: pa.DataType | None = None) -> pa.Array:
        """The same value for every row."""
        return pa.repeat(pa.scalar(value, kind), len(self))


def whole_array(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, which is not copied when it is one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def map_distinct(convert: Callable[[Any], Any], values: pa.Array, kind: pa.DataType) -> pa.Array:
    """A function of an array's values, called once for each distinct one, null included."""
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    converted = pa.array([convert(value) for value in encoded.dictionary.to_pylist()], type=kind)
    return converted.take(encoded.indices)


def by_policy(table: pa.Table, clock: datetime, shared: str | None) -> Iterable[Rows]:
    """The rows of each policy. `shared`: the policy of all rows, which then do not carry it."""
    if shared is not None or "policy" not in table.column_names:
        yield Rows(table, json.loads(shared) if shared else None, clock)
        return
    encoded = pc.dictionary_encode(table["policy"].combine_chunks(), null_encoding="encode")
    for index, policy in enumerate(encoded.dictionary.to_pylist()):
        own = table.filter(pc.equal(encoded.indices, index)) if len(encoded.dictionary) > 1 else table
        yield Rows(own, json.loads(policy) if policy else None, clock)
