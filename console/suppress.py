"""`carillon suppress`: customers, addresses or domains that nobody writes to any more, from a list or one by one.

Invariant: a list is taken whole or not at all: every line is checked before the first is recorded. Of what is lifted it
says what stands all the same. It starts no Spark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.lines import numbered_lines

if TYPE_CHECKING:
    from pipelines.edges.tables import Tables

_KEYS = {"kind", "value", "channel", "cause", "lifted"}
#: What the value of each kind must be.
_EXPECTED = {
    "customer": "is blank",
    "address": "is no address: expected an e-mail address, a phone number such as +12025550101 or a device token alone",
    "domain": "is no domain: expected one such as example.org",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("suppress")(suppress)


def suppress(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.jsonl", help='Lines such as {"kind": "address", "value": "a@example.org"}.'
        ),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A domain, such as example.org; may be repeated.")
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Lift instead of suppress.")] = False,
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Suppress customers, addresses and domains; from the next epoch or run on they get nothing."""
    from datetime import datetime, timezone

    from conf import load
    from pipelines.edges import erasing
    from pipelines.edges.tables import Tables
    from pipelines.errors import InputError

    rows = read_rows(file) if file else []
    given = [{"kind": "domain", "value": one} for one in domain or ()]
    if faults := [f"--domain '{row['value']}' is no domain" for row in given if not _can_match(row)]:
        raise InputError(f"{'; '.join(faults)}: expected one such as example.org. Nothing was recorded.")
    rows += given
    if not rows:
        raise InputError("nothing to suppress: give FILE.jsonl or --domain DOMAIN.")
    at = datetime.now(timezone.utc)
    for number, row in enumerate(rows):
        row |= {"occurred_at": at, "event_id": f"suppress-{at.isoformat()}-{number}"}
        row["lifted"] = lift or row.get("lifted", False)
        row["value"] = _without_decoration(row)
    tables = Tables(load(env).lake)
    count = erasing.suppress(tables, rows, "carillon suppress")
    print(f"{count} {'lifted' if lift else 'suppressed'}")
    _tell_what_stands(tables, rows)


def _tell_what_stands(tables: Tables, rows: list[dict[str, Any]]) -> None:
    """A line for each suppression that outlasts the lift of its value; by its place in the list, not by the value."""
    from pipelines.edges.standing import still_standing

    places = [place for place, row in enumerate(rows, 1) if row["lifted"]]
    if not places:
        return
    for one in still_standing(tables, [rows[place - 1] for place in places]):
        mend = "lift it on that channel" if one.channel else "lift it without a channel"
        print(
            f"entry {places[one.place]} ({one.kind}) is still suppressed on {one.channel or 'every channel'} "
            f"({one.cause}): {'that is for good' if one.cause == 'erased' else mend}"
        )


def _without_decoration(row: dict[str, Any]) -> str:
    """The value as addresses have it: people write domains with the @ before them and the dot behind."""
    text = str(row["value"])
    return text.strip().removeprefix("@").removesuffix(".") if row["kind"] == "domain" else text


def _can_match(row: dict[str, Any]) -> bool:
    """Whether somebody can have such a value: what never matches would suppress nobody, and nobody would know."""
    from pipelines.addresses import is_address, is_domain

    text = _without_decoration(row)
    if row["kind"] == "customer":
        return bool(text.strip())
    return is_domain(text) if row["kind"] == "domain" else is_address(text.strip())


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of the file. Raises `InputError` naming each that cannot be used, and never its value."""
    from pipelines.errors import InputError
    from schemas.channels import CHANNEL_NAMES
    from schemas.tables.suppressions import CAUSES, KINDS

    rows, faults = [], []
    for number, line in numbered_lines(file):
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError):
            faults.append(f"line {number} is not JSON in UTF-8")
            continue
        if not isinstance(row, dict) or not isinstance(row.get("value"), str) or not row["value"]:
            faults.append(f"line {number} needs 'kind' and 'value' (a text)")
        elif row.get("kind") not in KINDS:
            faults.append(f"line {number}: 'kind' is none of {', '.join(KINDS)}")
        elif unknown := sorted(set(row) - _KEYS):
            faults.append(f"line {number}: unknown key '{unknown[0]}'; known: {', '.join(sorted(_KEYS))}")
        elif not isinstance(row.get("lifted", False), bool):
            faults.append(f"line {number}: 'lifted' is neither true nor false")
        elif not _can_match(row):
            faults.append(f"line {number}: 'value' {_EXPECTED[row['kind']]}")
        elif row.get("channel") not in (None, *CHANNEL_NAMES):
            faults.append(f"line {number}: 'channel' is none of {', '.join(CHANNEL_NAMES)}")
        elif row.get("cause", "manual") not in CAUSES or row.get("cause") == "erased":
            faults.append(
                f"line {number}: 'cause' is none of {', '.join(CAUSES[:-1])}; erase with `carillon erase`"
            )
        else:
            rows.append(row)
    if faults:
        raise InputError(f"{file}: {'; '.join(faults[:5])}. Nothing was recorded; mend the file.")
    return rows
