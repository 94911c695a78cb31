"""`carillon status`: runs and streams, how far they are, and whether anybody works on them.

Invariant: it starts no Spark and changes nothing. On a terminal it is a table; `--json` gives one object a line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.edges.status import PausedCampaign, RunStatus, StatusReader, StreamStatus

_EVERY_S = 1.0
_RUN_TITLES = ("run", "state", "planned", "published", "remaining", "waiting", "rate", "left", "began")
_STREAM_TITLES = ("stream", "state", "epoch", "clock", "published", "in epochs")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="CAMPAIGN/RUN_ID; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow a run until it ends.")] = False,
    count: Annotated[int, typer.Option(min=1, help="How many runs, newest first.")] = 20,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Show runs and streams: planned, published, remaining, rate, time left, state."""
    from datetime import datetime, timezone

    from conf import load
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.status import StatusReader
    from pipelines.edges.tables import Tables
    from pipelines.errors import InputError

    if watch and run is None:
        raise InputError("--watch follows one run: name it as CAMPAIGN/RUN_ID.")
    settings = load(env)
    reader = StatusReader(ObjectStore(settings.lake), Tables(settings.lake), settings.kafka.librdkafka())
    try:
        if run is None:
            now = datetime.now(timezone.utc)
            show(reader.runs(count, now), reader.streams(now), reader.paused(), as_json)
        elif watch:
            _follow(reader, run, as_json)
        else:
            show([reader.run(run, datetime.now(timezone.utc))], [], [], as_json)
    finally:
        reader.close()


def _follow(reader: StatusReader, run: str, as_json: bool) -> None:
    """A line for each look; on a terminal each replaces the one before."""
    from datetime import datetime, timezone

    is_terminal = sys.stdout.isatty() and not as_json
    while True:
        found = reader.run(run, datetime.now(timezone.utc))
        line = json.dumps(found.to_dict()) if as_json else "  ".join(cell for cell in row_of(found) if cell)
        is_over = found.state in ("finished", "cancelled", "unfinished")
        sys.stdout.write(f"\r{line}\x1b[K" if is_terminal else f"{line}\n")
        sys.stdout.write("\n" if is_terminal and is_over else "")
        sys.stdout.flush()
        if is_over:
            return
        time.sleep(_EVERY_S)


def show(
    runs: Sequence[RunStatus],
    streams: Sequence[StreamStatus],
    paused: Sequence[PausedCampaign],
    as_json: bool,
) -> None:
    """Print them."""
    if as_json:
        documents = [one.to_dict() for one in runs] + [one.to_dict() for one in streams]
        for document in documents + [one.to_dict() for one in paused]:
            print(json.dumps(document, ensure_ascii=False))
        return
    _table(_RUN_TITLES, [row_of(one) for one in runs], "no run has begun in this lake")
    if streams:
        print()
        _table(_STREAM_TITLES, [_stream_row(row) for row in streams], "")
    for fused in (row for row in runs if row.fuse):
        print(f"run {fused.run} is paused: its fuse has blown, {fused.fuse}")
    for pause in paused:
        version = f" (version {pause.version[:12]})" if pause.version else ""
        print(f"campaign {pause.paused_campaign}{version} is paused: {pause.why}")


def row_of(one: RunStatus) -> tuple[str, ...]:
    """The cells of a run; `state` also says what is wanted where that is something else."""
    # What a finished run had held is paused and cancelled with it.
    goes_on = one.state in ("running", "unfinished") or (
        one.state == "finished" and (one.held or one.waiting)
    )
    differs = one.wanted != "run" and goes_on
    return (
        one.run,
        f"{one.state} ({one.wanted} wanted)" if differs else one.state,
        _number(one.planned),
        _number(one.published),
        _number(one.remaining),
        _waiting(one),
        f"{one.rate:,.0f}/s" if one.rate else "",
        duration(one.eta_s) if one.eta_s is not None else "",
        one.began_at[:19],
    )


def _waiting(one: RunStatus) -> str:
    """How many wait, of how many that waited when the run ended, and until when."""
    if not (one.held or one.waiting):
        return ""
    count = f"{one.waiting:,} of {one.held:,}" if one.held else f"{one.waiting:,}"
    return f"{count} until {(one.waits_until or '')[:19]}" if one.waiting else count


def _stream_row(one: StreamStatus) -> tuple[str, ...]:
    clock = (one.clock or "")[:19]
    return (
        one.stream,
        one.state,
        _number(one.epoch),
        clock,
        _number(one.recent_published),
        str(one.recent_epochs),
    )


def duration(seconds: float) -> str:
    """As 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _table(titles: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(empty)
        return
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(
            title, justify="left" if title in ("run", "stream", "state") else "right", no_wrap=True
        )
    for row in rows:
        table.add_row(*row)
    # Not a terminal: nobody's width, so that no cell is cut.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
