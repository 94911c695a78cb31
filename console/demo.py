"""`carillon demo`: the whole pipeline on embedded servers, from a synthetic audience to messages in files.

Invariant: every joint is the one of production (spark-submit, Kafka, S3, the reference sender); what it prints at the
end was counted on both sides, by the ledger and by the sender. Exit code 0 only when they agree.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    customers: Annotated[int, typer.Option(min=100, help="Size of the synthetic audience.")] = 20_000,
    out: Annotated[Path, typer.Option(help="Where messages, logs and summary.json go.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another audience.")] = 1,
) -> None:
    """Run both jobs on a synthetic audience and show who got what. Exit code 3 when the books do not balance."""
    from console.demo_run import DemoRun
    from console.dev import interrupt

    # As `kill` ends it, Ctrl-C does: jobs and servers are stopped.
    signal.signal(signal.SIGTERM, interrupt)
    run = DemoRun(customers, out, seed)
    summary = run.run()
    if not summary["passed"]:
        raise typer.Exit(3)
