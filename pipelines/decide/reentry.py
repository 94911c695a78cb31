"""Re-entry: whether a campaign may write to a customer again, given what it has sent and what else is in the unit.

Invariant: a rule looks at one campaign and customer, on whatever channel; the messages of one trigger on several
channels count as one. Of several triggers of one unit that the rule does not allow together, the first by its time is
let through. It reads no table: earlier messages come as `entries`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide.rows import Rows
from pipelines.decide.timing import TIMESTAMP, as_text
from pipelines.decide.verdicts import Verdicts

GATE, REASON = "reentry_in_unit", "reentry"
_EARLIER = pa.struct([("sent_at", TIMESTAMP), ("source_id", pa.string())])


def add_reentered(rows: Rows) -> None:
    """Compute `reentered`: the last earlier message that the rule does not let be repeated; null when there is none."""
    rule = rows.rule("reentry")
    found: list[dict[str, Any] | None] = [None] * len(rows)
    entries = rows.column("entries")
    if rule is not None and entries.null_count < len(rows):
        data, sources = rows.column("data"), rows.column("source_id")
        for row in pc.indices_nonzero(pc.is_valid(entries)).to_pylist():
            own = entity(rule, data[row].as_py())
            others = [one for one in entries[row].as_py() if one["source_id"] != sources[row].as_py()]
            forbidding = [one for one in others if _forbids(rule, one, own, rows.clock)]
            found[row] = max(forbidding, key=lambda one: (one["sent_at"], one["source_id"]), default=None)
    rows.computed["reentered"] = pa.array(found, _EARLIER)


def earlier_shown(rows: Rows) -> pa.Array:
    """The earlier message, such as 't-0 at 2026-03-01 08:30:00'."""
    earlier = rows.column("reentered")
    at = as_text(pc.struct_field(earlier, "sent_at"))
    return pc.binary_join_element_wise(pc.struct_field(earlier, "source_id"), at, " at ")


def _forbids(rule: Mapping[str, Any], entry: Mapping[str, Any], own: str | None, clock: datetime) -> bool:
    if rule["kind"] == "ever":
        return True
    if rule["kind"] == "span":
        return bool(entry["sent_at"] > clock - timedelta(seconds=rule["seconds"]))
    return own is not None and entity(rule, entry["data"]) == own


def entity(rule: Mapping[str, Any], data: str | None) -> str | None:
    """What the rule's property says in a trigger's data, as text; None without a property, or where it is absent."""
    if rule["kind"] != "property" or data is None:
        return None
    # Numbers as they are written: 1.0 and 1 are two order numbers.
    fields = json.loads(data, parse_int=str, parse_float=str)
    value = fields.get(rule["property"]) if isinstance(fields, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def add_rivals(rows: Rows, verdicts: Verdicts) -> None:
    """Add the verdicts about the candidates of the unit itself."""
    rule = rows.rule("reentry")
    passed = [True] * len(rows)
    values: list[str | None] = [None] * len(rows)
    if rule is not None:
        names = ("campaign_id", "customer_id", "occurred_at", "decision_id", "source_id", "data")
        columns = {name: rows.column(name) for name in names}
        contenders = [
            {"row": i, **{n: columns[n][i].as_py() for n in names}} for i in verdicts.open.to_pylist()
        ]
        first: dict[tuple[Any, ...], str] = {}
        for one in sorted(contenders, key=_turn):
            own = entity(rule, one["data"])
            if rule["kind"] == "property" and own is None:
                continue  # a trigger without the property is an entity of its own
            # Campaigns may share a policy.
            earliest = first.setdefault((one["campaign_id"], one["customer_id"], own), one["source_id"])
            if earliest != one["source_id"]:
                passed[one["row"]], values[one["row"]] = False, earliest
    verdicts.add(GATE, REASON, pa.array(passed), pa.array(values, pa.string()))


def _turn(candidate: Mapping[str, Any]) -> tuple[bool, Any, str]:
    at = candidate["occurred_at"]
    return at is not None, at, candidate["decision_id"]
