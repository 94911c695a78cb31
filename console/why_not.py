"""`carillon why-not`: of everybody a run or a campaign considered, how many got it, and why the others did not.

Invariant: it starts no Spark and changes nothing. The counts are those of the ledger; a message that waited counts
once, as it ended, and what a run that has not ended is to send counts apart.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why-not")(why_not)


def why_not(
    run: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN/RUN_ID", help="One run, or a stream's pipeline.")
    ] = None,
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="All decisions of a campaign.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Count the reasons why customers did not get a message."""
    from conf import load
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.outcomes import count_campaign, count_run
    from pipelines.edges.tables import Tables
    from pipelines.edges.under_way import unfinished_runs
    from pipelines.errors import InputError
    from pipelines.runs import is_run, run_name
    from pipelines.stories import count_reasons

    if (run is None) == (campaign is None):
        raise InputError("name either --run CAMPAIGN/RUN_ID or --campaign ID.")
    lake = load(env).lake
    tables, name = Tables(lake), run or ""
    counted = count_campaign(tables, campaign) if campaign else count_run(tables, name)
    # Asked after the counting: what has ended by now was sent.
    of_campaign = campaign or (run_name(name) if is_run(name) else name).partition("/")[0]
    lines = count_reasons(counted, unfinished_runs(ObjectStore(lake), of_campaign))
    if as_json:
        asked = {"run": run, "campaign_id": campaign}
        print(json.dumps({**asked, "lines": lines}, ensure_ascii=False))
        return
    if not lines:
        print(f"Nothing was decided for {run or campaign}.")
    for one in lines:
        about = f"{one['campaign_id']}, {one['channel']}" if one["channel"] else one["campaign_id"]
        word = "to be sent: their run has not ended" if one["is_under_way"] else one["decision"]
        words = f"{word}: {one['reason']}. {one['meaning']}" if one["reason"] else word
        print(f"{one['count']:>10,}  {about}  {words}")
