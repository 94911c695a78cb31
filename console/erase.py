"""`carillon erase`: a customer is written to no more, and leaves every table; their decisions stay under a pseudonym.

Invariant: it says what it has removed, who still sends what was decided before, and until when older versions of the
tables still hold it. It starts no Spark.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase")(erase)


def erase(
    customer: Annotated[str | None, typer.Option(metavar="ID", help="The customer_id.")] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Everybody whom a customer.erased event named; run it daily.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Erase a customer, or finish the erasures that events asked for; old versions of the tables are vacuumed."""
    from datetime import datetime, timezone

    from conf import load
    from pipelines.edges import erasing
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.tables import Tables
    from pipelines.errors import InputError
    from pipelines.suppression import suppressed_value

    if (customer is None) != pending:
        raise InputError("name either --customer ID or --pending.")
    settings = load(env)
    tables = Tables(settings.lake)
    at = datetime.now(timezone.utc)
    if customer is not None:
        erasing.suppress(tables, [erasing.erasure_row(customer, at)], "carillon erase")
        digests = [suppressed_value("customer", customer)]
    else:
        digests = erasing.erased_digests(tables)
    erased = erasing.Erased({}, False, [])
    if digests:
        erased = erasing.erase(tables, ObjectStore(settings.lake), digests, at)
    vacuumed = erasing.vacuum(tables)
    if as_json:
        told = {"customers": len(digests), "rows": erased.rows, "files_vacuumed": vacuumed}
        told |= {"is_whole": erased.is_whole, "under_way": [_named(one) for one in erased.under_way]}
        print(json.dumps({**told, "retention_hours": erasing.RETENTION_HOURS}))
        return
    print(
        "Waiting messages are stopped: the customer is suppressed."
        if customer
        else f"{len(digests)} customers."
    )
    for name, count in erased.rows.items():
        print(f"{name}: {count} rows {'kept under a pseudonym' if name == 'ledger' else 'removed'}")
    for pipeline in erased.under_way:
        print(_left(pipeline))
    if erased.leaves_today:
        print("The ledger is written to all the time: today's decisions are left to tomorrow's --pending.")
    days = erasing.RETENTION_HOURS // 24
    print(
        f"Older versions of the tables hold them for {days} more days; {vacuumed} older files were deleted now."
    )


def _named(pipeline: str) -> str:
    """As people name it: CAMPAIGN/RUN_ID of a run."""
    from pipelines.runs import is_run, run_name

    return run_name(pipeline) if is_run(pipeline) else pipeline


def _left(pipeline: str) -> str:
    """Who still sends what was decided before, and what to do about it."""
    name = _named(pipeline)
    if name == pipeline:
        return (
            f"An epoch or release of '{name}' is under way, and still sends what it has decided before. Its decisions "
            "are left to the next --pending."
        )
    return (
        f"Run {name} has not ended, and still sends what it has decided before: `carillon cancel {name}`, or let it "
        "end. Its decisions are left to the next --pending."
    )
