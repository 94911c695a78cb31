"""How what a run or a campaign considered has ended, counted from the ledger without Spark.

Invariant: each message counts once. One that waited counts as what was decided when its wait ended, and as held only
while nobody has decided that. Each file that may hold such rows is read once; kept are its counts, and 50 bytes a
message to tell what became of those that waited.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.edges.about import may_hold
from pipelines.edges.mirror import TableFiles
from pipelines.edges.recorded import NEWS
from pipelines.edges.tables import Tables
from pipelines.runs import RUNS, run_pipeline
from schemas.tables import table

_LEDGER = table("ledger")
_LINE = ("campaign_id", "channel", "decision", "reason")
#: What tells whose a row is.
_OWNER = ("campaign_id", "pipeline", "source", "source_id", "run")
_NEWS = ("message_id", "decided_at")
_IS_OF_RUN = pc.starts_with(pc.field("pipeline"), RUNS)


def count_campaign(tables: Tables, campaign_id: str) -> list[dict[str, Any]]:
    """Rows as `pipelines.stories.count_reasons` reads them, of all decisions about a campaign."""
    return _count(tables, {"campaign_id": [campaign_id]}, pc.field("campaign_id") == campaign_id)


def count_run(tables: Tables, run: str) -> list[dict[str, Any]]:
    """As `count_campaign`, of the run CAMPAIGN/RUN_ID with what became of its holds; anything else is a pipeline."""
    campaign_id, slash, run_id = run.partition("/")
    if not slash:
        return _count(tables, {"pipeline": [run]}, pc.field("pipeline") == run)
    pipeline = run_pipeline(campaign_id, run_id)
    # Older rows do not say of which run they are: what was released counts for the first one of its name.
    is_released = (pc.field("source") == "run") & (pc.field("source_id") == run_id) & ~_IS_OF_RUN
    is_older = pc.field("run").is_null() & ((pc.field("pipeline") == pipeline) | is_released)
    # All of it is about one campaign: files about others are told by their bounds, and not opened.
    is_own = (pc.field("campaign_id") == campaign_id) & ((pc.field("run") == pipeline) | is_older)
    return _count(tables, {"campaign_id": [campaign_id]}, is_own)


class _Counted(NamedTuple):
    """What is kept of a file."""

    lines: pa.Table
    news: pa.Table
    held: pa.Table


def _count(tables: Tables, values: dict[str, list[str]], is_own: pc.Expression) -> list[dict[str, Any]]:
    """Counts by stage, line and sender; those of what waits no longer are below zero. `values`: a file must be able to
    hold one of them."""

    def count(rows: pa.Table) -> _Counted:
        own = rows.filter(is_own)
        lines = _by_line(own.set_column(own.column_names.index("run"), "run", _sender(own)), ["stage", "run"])
        news = own.filter(NEWS)
        held = news.filter(pc.field("decision") == "held")
        return _Counted(lines, news.select(list(_NEWS)), held.select([*_NEWS, *_LINE]))

    files = TableFiles(tables, _LEDGER, [*_OWNER, *_LINE[1:], *_NEWS, "stage"], count)
    files.refresh(lambda known: may_hold(known, values))
    if not files.held:
        return []
    lines, news, held = (pa.concat_tables(found) for found in zip(*files.held.values(), strict=True))
    return [*lines.to_pylist(), *_ended(held, news)]


def _sender(rows: pa.Table) -> pa.ChunkedArray:
    """Of what is sent, or was to be: by which run, so that it can be asked whether that has ended."""
    is_to_send = pc.or_(pc.equal(rows["decision"], "sent"), pc.equal(rows["stage"], "render"))
    is_of_run = pc.starts_with(rows["pipeline"], RUNS)
    return pc.if_else(pc.and_(is_to_send, is_of_run), rows["pipeline"], pa.scalar(None, pa.string()))


def _by_line(rows: pa.Table, also: list[str]) -> pa.Table:
    counted = rows.group_by([*also, *_LINE], use_threads=False).aggregate([([], "count_all")])
    return counted.rename_columns({"count_all": "count"})


def _ended(held: pa.Table, news: pa.Table) -> list[dict[str, Any]]:
    """How many of those that were held have been decided since, as rows that take them back."""
    later = news.filter(pc.is_in(news["message_id"], value_set=held["message_id"]))
    last = later.group_by("message_id").aggregate([("decided_at", "max")])
    known = held.join(last, "message_id", join_type="inner")
    ended = known.filter(pc.field("decided_at") < pc.field("decided_at_max"))
    return [{**line, "stage": "decide", "count": -line["count"]} for line in _by_line(ended, []).to_pylist()]
