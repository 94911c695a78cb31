"""Erasing customers: their rows are removed, and their decisions are kept under a pseudonym.

Invariant: the suppression is recorded first, so that nothing is sent to whoever is being erased, and an erasure that
was interrupted can be finished from it. Rows are found by the digest of the customer id: no list of ids is kept.
What earlier versions of the tables hold is deleted when they are older than `RETENTION_HOURS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.recorded import IS_NEWS
from pipelines.edges.sql import literal
from pipelines.edges.tables import Tables
from pipelines.errors import BusyTableError
from pipelines.identity import uuid5
from pipelines.suppression import suppressed_value
from schemas.tables import table

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: Earlier versions of the tables stay readable for so long: a week, as Delta's own default.
RETENTION_HOURS = 168
#: How often all of the ledger is tried before today's decisions are left out: each time reads every customer id.
_ATTEMPTS_AT_ALL = 2
#: Whose decision it is that what waited for an erased customer is not sent.
_PIPELINE = "carillon-erase"
#: Tables whose rows of an erased customer are deleted; the ledger's are given a pseudonym.
_DELETED_FROM = ("audience", "consents", "cancellations", "holds")
_DIGEST = "encode(sha256(customer_id), 'hex')"
_SOURCE_DIGEST = "encode(sha256(source_id), 'hex')"
#: Of a suppression the word stays, and whose it is as a digest; the event's id may be made of the customer's.
_EVENT = "concat('erased-', substr(encode(sha256(event_id), 'hex'), 1, 32))"
#: What becomes of a decision: who and what it was about goes, the outcome, its reason and the message id stay. A
#: producer's ids may be made of the customer's; the words of gates and templates may quote what was in the data.
_PSEUDONYMS = {
    "customer_id": f"concat('erased-', substr({_DIGEST}, 1, 32))",
    "source_id": f"CASE WHEN source = 'run' THEN source_id ELSE concat('erased-', substr({_SOURCE_DIGEST}, 1, 32)) END",
    "data": "NULL",
    "detail": "NULL",
    "gates": "NULL",
}


class Erased(NamedTuple):
    """The rows that were removed or renamed, by table; whether the ledger's of today were left; and the pipelines of
    the units that were under way, of which the decisions were left, because they still send what they have decided."""

    rows: dict[str, int]
    leaves_today: bool
    under_way: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left to the next erasure."""
        return not (self.leaves_today or self.under_way)


class UnitUnderWay(NamedTuple):
    """A unit that is not finished: its pipeline, and the condition that its rows of the ledger meet."""

    pipeline: str
    condition: str


def suppress(tables: Tables, rows: Iterable[dict[str, Any]], by: str) -> int:
    """Append suppressions: rows with `kind`, `value` (in clear), and where they differ `channel`, `cause`, `lifted`,
    `occurred_at` and `event_id`; returns how many."""
    suppressions = table("suppressions")
    made = [
        {
            "kind": row["kind"],
            "value": suppressed_value(row["kind"], row["value"]),
            "channel": row.get("channel"),
            "is_suppressed": not row.get("lifted", False),
            "cause": row.get("cause", "manual"),
            "occurred_at": row["occurred_at"],
            "event_id": row["event_id"],
            "recorded_by": by,
        }
        for row in rows
    ]
    if made:
        tables.append(suppressions, pa.Table.from_pylist(made, suppressions.arrow_schema()))
    return len(made)


def erased_digests(tables: Tables) -> list[str]:
    """The digests of all customers who were ever erased."""
    sql = "SELECT DISTINCT value FROM t WHERE kind = 'customer' AND cause = 'erased'"
    return sorted(str(row["value"]) for row in tables.query(table("suppressions"), sql))


def erase(tables: Tables, objects: ObjectStore, digests: list[str], at: datetime) -> Erased:
    """Remove the customers of these digests. What waits for them is excluded as of `at`. A second time finds none, but
    for decisions of units that were under way: what a unit publishes it looks up in the ledger. While units record
    decisions all the time, those of earlier days are renamed, to which nothing is added, and today's are left to the
    next erasure.

    Raises `ServerError` when a table cannot be rewritten; what was done until then stays done."""
    is_theirs = f"{_DIGEST} IN ({', '.join(map(literal, digests))})"
    changed = {}
    end_waiting(tables, is_theirs, at)
    for name in _DELETED_FROM:
        deleted = tables.rewrite(table(name), lambda found: _delete(found, is_theirs))
        changed[name], before, after = deleted or (0, 0, 0)
        if name == "audience" and changed[name]:
            _promote(objects, before, after, changed[name])
    told = f"kind = 'customer' AND value IN ({', '.join(map(literal, digests))}) AND event_id NOT LIKE 'erased-%'"
    tables.rewrite(table("suppressions"), lambda found: found.update({"event_id": _EVENT}, predicate=told))

    left: list[UnitUnderWay] = []

    def rename(found: DeltaTable, *more: str) -> int:
        # Asked anew with each attempt: a unit may have recorded decisions before another one.
        left[:] = units_under_way(tables, objects, is_theirs)
        unfinished = [f"NOT ({unit.condition})" for unit in left]
        counted = found.update(_PSEUDONYMS, predicate=" AND ".join([*more, is_theirs, *unfinished]))
        return int(counted["num_updated_rows"])

    leaves_today = False
    try:
        renamed = tables.rewrite(table("ledger"), rename, _ATTEMPTS_AT_ALL)
    except BusyTableError:
        leaves_today, past = True, f"decided_date < CAST({literal(at.date().isoformat())} AS DATE)"
        renamed = tables.rewrite(table("ledger"), lambda found: rename(found, past))
    if renamed is not None:
        changed["ledger"] = renamed
    return Erased(changed, leaves_today, sorted({unit.pipeline for unit in left}))


def end_waiting(tables: Tables, condition: str, at: datetime) -> int:
    """Record of each message that waits, of those that meet the condition, that it will not be sent; returns how many.
    Its hold is about to be deleted, and nobody would decide about it any more."""
    ledger = table("ledger")
    # Their rows are found by a digest of each customer in the ledger: once.
    asked = f"{condition} AND {IS_NEWS}"
    own = f"SELECT *, max(decided_at) OVER (PARTITION BY message_id) AS newest FROM t WHERE {asked}"
    held = tables.query(ledger, f"SELECT * FROM ({own}) WHERE decision = 'held' AND decided_at = newest")
    ended = {
        "pipeline": _PIPELINE, "unit": 0, "decision": "excluded", "reason": "suppressed", "due_at": None,
        "decided_at": at, "decided_date": at.date(), "gates": None, "detail": None,
    }  # fmt: skip
    rows = [{**row, **ended, "decision_id": uuid5(_PIPELINE, row["decision_id"])} for row in held]
    if rows:
        tables.append(ledger, pa.Table.from_pylist(rows, ledger.arrow_schema()))
    return len(rows)


def units_under_way(tables: Tables, objects: ObjectStore, condition: str) -> list[UnitUnderWay]:
    """The units that are to send something of what meets the condition and are not finished."""
    asked = f"{condition} AND stage = 'decide' AND decision = 'sent'"
    sql = f"SELECT DISTINCT pipeline, unit, decided_at FROM t WHERE {asked}"
    manifests, found = ManifestStore(objects), list[UnitUnderWay]()
    for row in tables.query(table("ledger"), sql):
        pipeline, unit, clock = row["pipeline"], int(row["unit"]), row["decided_at"]
        for incarnation in objects.folders(f"manifests/{pipeline}/"):
            app_id = f"{pipeline}/{incarnation}"
            manifest = manifests.find(app_id, unit)
            # The clock tells it from the unit of the same number in another incarnation.
            if manifest is not None and manifest.decided_at == clock and not manifests.result(app_id, unit):
                day = f"CAST({literal(clock.date().isoformat())} AS DATE)"
                rows = f"pipeline = {literal(pipeline)} AND unit = {unit} AND decided_date = {day}"
                found.append(UnitUnderWay(pipeline, rows))
    return found


def _delete(found: DeltaTable, condition: str) -> tuple[int, int, int]:
    """How many rows were deleted, and the versions before and after."""
    before = found.version()
    counted = found.delete(condition)
    return int(counted.get("num_deleted_rows") or 0), before, found.version()


def _promote(objects: ObjectStore, before: int, after: int, removed: int) -> None:
    """Readers follow the pointer. One that does not name the newest version is left: a build is under way, or failed;
    the next build leaves out who was erased."""
    pointer = AudiencePointer(objects)
    snapshot = pointer.find()
    if snapshot is not None and snapshot.version == before:
        known = asdict(snapshot)
        pointer.promote(Snapshot(**{**known, "version": after, "rows": snapshot.rows - removed}))


def vacuum(tables: Tables, hours: int = RETENTION_HOURS) -> int:
    """Delete the files of versions older than this; returns how many. Fewer hours than the retention may take files
    from a unit that is under way."""
    deleted = 0
    for name in (*_DELETED_FROM, "ledger", "suppressions"):
        found = tables.find(table(name))
        if found:
            is_usual = hours >= RETENTION_HOURS
            # By what lies there: the log has forgotten old files before a daily vacuum finds them in it, and never knew
            # those of a task that died.
            files = found.vacuum(hours, dry_run=False, enforce_retention_duration=is_usual, full=True)
            deleted += len(files)
    return deleted


def erasure_row(customer_id: str, at: datetime) -> dict[str, Any]:
    """The suppression of an erased customer, as `suppress` takes it."""
    return {
        "kind": "customer",
        "value": customer_id,
        "cause": "erased",
        "occurred_at": at,
        "event_id": f"erase-{at.isoformat()}",
    }
