"""`carillon dead-letters`: what was refused and why; shown on request; sent back to its topic, once.

Invariant: `list` prints ids, places, reasons and sizes, never a key or a value; `show` prints a value only with
`--payload`. What `replay` sends it never sends again; what it cannot send it names, after it has sent the rest.
"""

from __future__ import annotations

import base64
import heapq
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from conf import Settings
    from pipelines.edges.letters import Letter, Wanted
    from pipelines.edges.replaying import Replayed

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_IDS = Annotated[
    list[str] | None, typer.Option("--id", metavar="PARTITION:OFFSET", help="This one; repeatable.")
]
_REASON = Annotated[str | None, typer.Option(help="A dead_letter code of docs/reasons.md.")]
_TOPIC = Annotated[str | None, typer.Option(help="The topic the record was read from.")]
_SINCE = Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, or so long ago: 30m, 2h, 3d.")]
_ENV = Annotated[str, typer.Option(help="Environment of conf/.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    letters = typer.Typer(help="List, show or replay records that were refused.", no_args_is_help=True)
    letters.command("list")(list_letters)
    letters.command("show")(show)
    letters.command("replay")(replay)
    app.add_typer(letters, name="dead-letters")


def list_letters(
    ids: _IDS = None,
    reason: _REASON = None,
    topic: _TOPIC = None,
    since: _SINCE = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    env: _ENV = "local",
) -> None:
    """Show what was refused: id, time, where it came from, why, and its size."""
    from conf import load
    from pipelines.edges.letters import Letters
    from pipelines.errors import InputError

    letters = Letters(load(env).kafka.librdkafka(), make_wanted(ids, reason, topic, since))
    found = (describe(letter) for letter in letters)
    for row in heapq.nlargest(limit, found, key=lambda row: (row["at"], row["id"]))[::-1]:
        if as_json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            source = f"{row['source_topic']}/{row['source_partition']}/{row['source_offset']}"
            size = f"{row['bytes']:,} bytes{', not whole' if 'left_out' in row else ''}"
            print(f"{row['id']}  {row['at'][:19]}  {source}  {row['reason']}  {size}  {row['detail']}")
    if letters.missing:
        raise InputError(gone(letters.missing))


def show(
    letter_id: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET")],
    payload: Annotated[bool, typer.Option("--payload", help="The record's key and value, too.")] = False,
    env: _ENV = "local",
) -> None:
    """Print one dead letter as JSON; with --payload also its key and value, which are a customer's."""
    from conf import load

    letter = find_letter(load(env), letter_id)
    document = describe(letter)
    if payload:
        document |= {"key": _text(letter.key), "value": _text(letter.value)}
    print(json.dumps(document, ensure_ascii=False, indent=2))


def replay(
    ids: _IDS = None,
    reason: _REASON = None,
    topic: _TOPIC = None,
    since: _SINCE = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter there is.")] = False,
    value: Annotated[
        Path | None,
        typer.Option("--value", help="A file: the mended value of one record.", exists=True, dir_okay=False),
    ] = None,
    env: _ENV = "local",
) -> None:
    """Send refused records back to their topics, each once, however often and whenever this is asked."""
    from conf import load
    from pipelines.errors import InputError

    if not (ids or reason or topic or since or everything):
        raise InputError(
            "which dead letters? Name them by --id, --reason, --topic or --since, or all by --all."
        )
    if value is not None and (ids is None or len(ids) != 1):
        raise InputError("--value mends one record: name it by one --id.")
    done, missing = replay_letters(
        load(env), make_wanted(ids, reason, topic, since), None if value is None else value.read_bytes()
    )
    print(f"{done.sent:,} records sent back, {done.before:,} had been before")
    complaints = [gone(missing)] if missing else []
    if done.left:
        first, why = next(iter(done.left.items()))
        more = len(done.left) - 1
        others = f" So it is with {more:,} more that `list` calls not whole." if more else ""
        complaints.append(
            f"dead letter {first} was not sent back: {why}. Mend it and send it by --id {first} --value FILE.{others}"
        )
    if complaints:
        raise InputError(" ".join(complaints))


def replay_letters(settings: Settings, wanted: Wanted, fixed: bytes | None) -> tuple[Replayed, list[str]]:
    """What came of it, and the ids that are not there. Raises `InputError` when nothing matches, or when the mended
    value would be refused again."""
    from pipelines.edges.letters import Letters
    from pipelines.edges.progress import count_partitions
    from pipelines.edges.replaying import Replayer
    from pipelines.edges.transactions import PublishTarget
    from pipelines.errors import InputError
    from schemas.inputs import INPUTS
    from schemas.topics import load_topics

    client = settings.kafka.librdkafka()
    if fixed is not None:
        check_value(find_letter(settings, wanted.ids[0]).headers.get("source_topic", ""), fixed)
    target = PublishTarget(
        client=client,
        progress_partitions=count_partitions(client),
        transaction_timeout_ms=settings.publish.transaction_timeout_ms,
        message_bytes_max=max(topic.max_message_bytes for topic in load_topics()),
    )
    replayer = Replayer(target, [row.topic for row in INPUTS])
    letters = Letters(client, wanted)
    done = replayer.replay(letters, fixed)
    if not done.sent + done.before + len(done.left) + len(letters.missing):
        raise InputError("no dead letter matches; `carillon dead-letters list` shows what there is.")
    return done, letters.missing


def check_value(topic: str, value: bytes) -> None:
    """Raises `InputError` unless the value keeps the contract of the topic; never shows it."""
    from pydantic import ValidationError

    from pipelines.errors import InputError
    from schemas.reading import read_record

    try:
        read_record(topic, value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "value"
        raise InputError(f"the mended value would be refused again: {place}: {first['msg']}.") from None


def find_letter(settings: Settings, letter_id: str) -> Letter:
    """The letter of that id. Raises `InputError` when there is none."""
    from pipelines.edges.letters import Letters, Wanted
    from pipelines.errors import InputError

    for letter in Letters(settings.kafka.librdkafka(), Wanted(ids=(letter_id,))):
        return letter
    raise InputError(gone([letter_id]))


def gone(ids: list[str]) -> str:
    """The complaint about ids that are not on the topic."""
    from pipelines.dead_letters import TOPIC
    from schemas.topics import topic

    days = int(topic(TOPIC).config["retention.ms"]) // 86_400_000
    return (
        f"no dead letter {', '.join(ids)}: it never was, or retention has removed it (the topic keeps letters for "
        f"{days} days, unless it was altered)."
    )


def describe(letter: Letter) -> dict[str, Any]:
    """What may be shown of a letter: neither its key nor its value."""
    names = (
        "source_topic",
        "source_partition",
        "source_offset",
        "stage",
        "reason",
        "detail",
        "dead_lettered_by",
    )
    return {
        "id": letter.id,
        "at": datetime.fromtimestamp(letter.at_ms / 1000, timezone.utc).isoformat(timespec="milliseconds"),
        **{name: letter.headers.get(name, "") for name in names},
        "bytes": int(letter.headers.get("source_value_bytes", len(letter.value or b""))),
        **({"left_out": letter.left_out} if letter.left_out else {}),
    }


def make_wanted(ids: list[str] | None, reason: str | None, topic: str | None, since: str | None) -> Wanted:
    """The filter of these options. Raises `InputError`."""
    from pipelines.edges.letters import Wanted, parse_id
    from pipelines.errors import InputError
    from schemas.reasons import codes_of

    for one in ids or ():
        parse_id(one)
    codes = codes_of("dead_letter")
    if reason is not None and reason not in codes:
        raise InputError(f"'{reason}' is no reason of a dead letter. Reasons: {', '.join(codes)}.")
    since_ms = (
        None if since is None else round(parse_time(since, datetime.now(timezone.utc)).timestamp() * 1000)
    )
    return Wanted(tuple(ids or ()), reason, topic, since_ms)


def parse_time(text: str, now: datetime) -> datetime:
    """RFC 3339, or so long before `now`. Raises `InputError`."""
    from pipelines.errors import InputError

    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if ago:
        return now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InputError(f"'{text}' is no time: write 2026-03-01T09:00:00Z, or so long ago: 30m, 2h, 3d.")
    return found


def _text(octets: bytes | None) -> str | dict[str, str] | None:
    if octets is None:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(octets).decode("ascii")}
