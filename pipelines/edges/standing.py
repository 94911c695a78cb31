"""What still stands against writing to given customers, addresses and domains, after some of it was lifted.

Invariant: it changes nothing, and it is the newest words that count, as for a decision. A lift is about exactly one
kind, value and channel, or about no channel: what was said of a channel by itself outlasts the latter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.tables import Tables
from pipelines.suppression import SUPPRESSIONS, standing, suppressed_value
from schemas.tables import conformed


class Standing(NamedTuple):
    """A suppression that stands: the place in the list of what it is about, from 0; `channel` None is every one."""

    place: int
    kind: str
    channel: str | None
    cause: str


def still_standing(tables: Tables, lifted: Sequence[dict[str, Any]]) -> list[Standing]:
    """Of what was lifted, given as to `erasing.suppress`, what it is suppressed by all the same, on the channel of the
    lift or, where that has none, on any; in the order of the list. Reads all of the table, and keeps what it is asked
    about. Raises `ServerError` when S3 does not answer."""
    asked: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(lifted):
        asked[row["kind"], suppressed_value(row["kind"], row["value"])].append(place)
    values = pa.array([value for _, value in asked], pa.string())
    schema = SUPPRESSIONS.read_schema(SUPPRESSIONS.column_names)
    said = [schema.empty_table()]
    for part in tables.stream(SUPPRESSIONS, "SELECT * FROM t"):
        rows = conformed(part, schema)
        said.append(rows.filter(pc.is_in(rows["value"], value_set=values)))
    found = []
    for row in standing(pa.concat_tables(said)).select(["kind", "value", "channel", "cause"]).to_pylist():
        for place in asked.get((row["kind"], row["value"]), ()):
            if lifted[place].get("channel") is None or row["channel"] in (None, lifted[place]["channel"]):
                found.append(Standing(place, row["kind"], row["channel"], row["cause"]))
                break
    return sorted(found, key=lambda one: (one.place, one.channel or ""))
