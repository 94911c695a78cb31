"""`carillon rerender`: a message that was sent, rendered again byte for byte.

Invariant: it starts no Spark, sends nothing and writes to standard output alone. What it prints is a customer's.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rerender")(rerender)


def rerender(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID")],
    part: Annotated[
        str | None, typer.Option(help="One part's text, such as html or subject, in place of the whole JSON.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Which of several times it was sent; default: the last.")
    ] = None,
    links_of_now: Annotated[
        bool, typer.Option("--links-of-now", help="Links as now, where their settings have changed since.")
    ] = False,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Print a message as it was sent, from the ledger, the campaign's bundle and the pinned snapshot."""
    from conf import load
    from pipelines.edges.rerender import rerender as make
    from pipelines.errors import InputError

    payload = make(load(env), message_id, pipeline, links_of_now)
    if part is not None:
        message = json.loads(payload)
        if not isinstance(message.get(part), str):
            parts = ", ".join(name for name, value in message.items() if isinstance(value, str))
            raise InputError(f"message {message_id} has no part '{part}'. Parts: {parts}.")
        payload = message[part].encode()
    sys.stdout.buffer.write(payload + (b"\n" if sys.stdout.isatty() else b""))
    sys.stdout.buffer.flush()
