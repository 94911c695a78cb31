"""`carillon compact`: the ledger's many small files become few, so that questions are answered in seconds.

Invariant: it changes no row. It starts no Spark, and jobs may run meanwhile.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compact")(compact)


def compact(
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Join the small files of the ledger's past days; run it daily."""
    from datetime import datetime, timezone

    from conf import load
    from pipelines.edges import compacting
    from pipelines.edges.tables import Tables

    done = compacting.compact(Tables(load(env).lake), datetime.now(timezone.utc).date())
    if as_json:
        print(json.dumps(done))
    else:
        print(f"ledger: {done['read']} files became {done['written']}")
