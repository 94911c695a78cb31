"""`carillon make-up`: submits the job make_up, which sends again to those whom no sender has acknowledged.

Invariant: it only starts `spark-submit.sh` as one would by hand, and ends with the job's exit code.
"""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("make-up")(make_up)


def make_up(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A finished run, CAMPAIGN/RUN_ID, of which nothing waits.")
    ],
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Send again to exactly those of a run that no sender acknowledged; consent is asked again."""
    import subprocess
    from pathlib import Path

    from conf import load
    from pipelines.edges.makeup import find_ended
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.tables import Tables

    # Before Spark is started: a mistyped name, or a run that cannot be made up for yet, is told at once.
    lake = load(env).lake
    find_ended(ObjectStore(lake), Tables(lake), run)
    submit = Path(__file__).resolve().parent.parent / "spark-submit.sh"
    command = [str(submit), "make_up", "--env", env, "--", "--run", run]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
