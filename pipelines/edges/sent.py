"""What the ledger says was sent, remembered by a driver: the past of a few customers without a scan of it.

Invariant: the same messages count as for a run (`pipelines.history.sent_before`): sent, and not stopped by their
rendering. Held are the columns that caps and re-entry rules read, some 80 bytes a message, of the days that were asked
for.
"""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.mirror import TableFiles, is_of_triggers
from pipelines.edges.tables import Tables
from pipelines.history import SENT_COLUMNS
from schemas.tables import table

LEDGER = table("ledger")
_READ = ("stage", "decision", "customer_id", "decided_at", *SENT_COLUMNS[2:])
_DAY = "partition.decided_date"
#: Few distinct values in many rows.
_REPEATED = ("campaign_id", "category", "channel", "source_id", "data")
_SCHEMA = pa.schema(
    [
        pa.field(name, LEDGER.arrow_schema().field("decided_at" if name == "at" else name).type)
        for name in SENT_COLUMNS
    ]
)


class SentMessages:
    """The messages sent, by the files of the ledger."""

    def __init__(self, tables: Tables) -> None:
        self._files = TableFiles(tables, LEDGER, list(_READ), _select)

    def of(self, customer_ids: pa.Array, since: datetime | None, runs_since: datetime) -> pa.Table:
        """What was sent to these customers since that day, by runs since their own, in the columns `SENT_COLUMNS`, as
        of the newest version. Re-entry rules may ask for all time, and never for a run's millions."""
        first = date.min if since is None else since.date()

        def is_asked_for(files: pa.Table) -> pa.Array:
            days = pc.cast(files[_DAY], pa.date32())
            is_recent = pc.greater_equal(days, pa.scalar(runs_since.date()))
            is_wanted = pc.or_(is_recent, is_of_triggers(files))
            return pc.and_(pc.greater_equal(days, pa.scalar(first)), is_wanted)

        self._files.refresh(is_asked_for)
        held = self._files.held.values()
        asked = pc.unique(customer_ids)
        found = [rows.filter(pc.is_in(rows["customer_id"], value_set=asked)) for rows, _ in held]
        sent = pa.concat_tables([_SCHEMA.empty_table(), *(rows.cast(_SCHEMA) for rows in found)])
        stopped = {key for _, keys in held for key in keys}
        keys = zip(sent["message_id"].to_pylist(), sent["at"].to_pylist(), strict=True)
        return sent.filter(pa.array([key not in stopped for key in keys], pa.bool_()))


def _select(rows: pa.Table) -> tuple[pa.Table, list[tuple[str, datetime]]]:
    """The messages sent by the decisions of a file, and those that its corrections stop."""
    is_decision = pc.equal(rows["stage"], "decide")
    sent = rows.filter(pc.and_(is_decision, pc.equal(rows["decision"], "sent")))
    kept = sent.rename_columns({"decided_at": "at"}).select(SENT_COLUMNS)
    for name in _REPEATED:
        kept = kept.set_column(kept.column_names.index(name), name, pc.dictionary_encode(kept[name]))
    corrections = rows.filter(pc.equal(rows["stage"], "render"))
    keys = zip(corrections["message_id"].to_pylist(), corrections["decided_at"].to_pylist(), strict=True)
    return kept, list(keys)
