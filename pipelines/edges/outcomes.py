"""How what a run or a campaign considered has ended, counted from the ledger without Spark.

Invariant: each message counts once. One that waited counts as what was decided when its wait ended, and as held only
while nobody has decided that.
"""

from __future__ import annotations

from typing import Any

from pipelines.edges.recorded import IS_NEWS
from pipelines.edges.tables import Tables, literal
from pipelines.runs import run_pipeline
from schemas.tables import table

_LEDGER = table("ledger")
_LINE = "campaign_id, channel, decision, reason"
#: Of what is sent, or was to be: by which run, so that it can be asked whether that has ended.
_SENDER = "CASE WHEN (decision = 'sent' OR stage = 'render') AND pipeline LIKE 'run-%' THEN pipeline END"


def count_campaign(tables: Tables, campaign_id: str) -> list[dict[str, Any]]:
    """Rows as `pipelines.stories.count_reasons` reads them, of all decisions about a campaign."""
    return _count(tables, f"campaign_id = {literal(campaign_id)}")


def count_run(tables: Tables, run: str) -> list[dict[str, Any]]:
    """As `count_campaign`, of the run CAMPAIGN/RUN_ID with what became of its holds; anything else is a pipeline."""
    campaign_id, slash, run_id = run.partition("/")
    if not slash:
        return _count(tables, f"pipeline = {literal(run)}")
    pipeline = literal(run_pipeline(campaign_id, run_id))
    # Older rows do not say of which run they are: what was released counts for the first one of its name.
    released = f"source = 'run' AND source_id = {literal(run_id)} AND pipeline NOT LIKE 'run-%'"
    own = f"pipeline = {pipeline} OR ({released})"
    if tables.has_column(_LEDGER, "run"):
        own = f"run = {pipeline} OR (run IS NULL AND ({own}))"
    # All of it is about one campaign: files about others are told by their bounds, and not opened.
    return _count(tables, f"campaign_id = {literal(campaign_id)} AND ({own})")


def _count(tables: Tables, where: str) -> list[dict[str, Any]]:
    line = f"stage, {_LINE}"
    counted = tables.query(
        _LEDGER,
        f'SELECT {line}, {_SENDER} AS run, count(*) AS "count" FROM t WHERE {where} GROUP BY {line}, {_SENDER}',
    )
    return [*counted, *(_ended(tables, where) if any(row["decision"] == "held" for row in counted) else ())]


def _ended(tables: Tables, where: str) -> list[dict[str, Any]]:
    """How many of those that were held have been decided since, as rows that take them back."""
    return tables.query(
        _LEDGER,
        f"WITH own AS (SELECT {_LINE}, message_id, decided_at FROM t WHERE {where} AND {IS_NEWS}), "
        "held AS (SELECT * FROM own WHERE decision = 'held'), "
        "last AS (SELECT message_id, max(decided_at) AS at FROM own "
        "WHERE message_id IN (SELECT message_id FROM held) GROUP BY message_id) "
        "SELECT 'decide' AS stage, held.campaign_id, held.channel, held.decision, held.reason, "
        '-count(*) AS "count" FROM held JOIN last ON held.message_id = last.message_id '
        "WHERE held.decided_at < last.at GROUP BY held.campaign_id, held.channel, held.decision, held.reason",
    )
