"""`carillon produce`: JSON lines to one of Carillon's topics, checked against the topic's contract first.

Invariant: with validation on, nothing is sent unless every line is valid. The key is the contract's
(customer_id for triggers and events). It does not make triggers up; see `examples.traffic` for that.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.lines import numbered_lines

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from conf import Settings
    from schemas.messages import Record

ERRORS_SHOWN_MAX = 10


class InvalidLinesError(Exception):
    """Lines do not keep the topic's contract; the text names line, key, what was found and how to fix it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("produce")(produce)


def produce(
    topic: Annotated[str, typer.Argument(help="Topic, such as campaign.triggers.")],
    file: Annotated[Path, typer.Argument(help="JSON lines: one record a line.", exists=True, dir_okay=False)],
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
    validate: Annotated[
        bool, typer.Option(help="Check every line before sending any; --no-validate sends lines as they are.")
    ] = True,
) -> None:
    """Send the lines of a file to a topic."""
    from conf import load

    count = produce_file(load(env), topic, file, validate=validate)
    print(f"{count:,} records sent to {topic}")


def produce_file(settings: Settings, topic: str, file: Path, *, validate: bool = True) -> int:
    """Send the file's lines; how many. InvalidLinesError before any is, BrokerError unless all were."""
    from console.broker import check_topic_name, partitions, send
    from schemas.topics import topic as topic_named

    check_topic_name(topic)
    if validate:
        check_lines(topic, file)
    partitions(settings, topic)
    key_field = topic_named(topic).key
    return send(settings, ((topic, _key(line, key_field), line) for _, line in numbered_lines(file))).total()


def check_lines(topic: str, file: Path) -> int:
    """The number of lines, all of which keep the topic's contract; InvalidLinesError otherwise."""
    from pydantic import ValidationError

    from schemas.messages import RECORDS
    from schemas.reading import read_record
    from schemas.topics import topic as topic_named

    schema = topic_named(topic).value_schema
    if schema is None:
        raise InvalidLinesError(f"{topic} has no contract for its values: send with --no-validate.")
    model = RECORDS[schema]
    problems: list[str] = []
    invalid = count = 0
    for number, line in numbered_lines(file):
        count += 1
        try:
            read_record(topic, line)
        except ValidationError as refusal:
            invalid += 1
            if len(problems) < ERRORS_SHOWN_MAX:
                errors = refusal.errors(include_url=False, include_context=False)
                problems += [f"{file} line {number}: {_explain(error, model, line)}" for error in errors]
    if invalid:
        more = (
            f"\n... and more, in {invalid:,} invalid lines of {count:,}" if invalid > ERRORS_SHOWN_MAX else ""
        )
        lines = "\n".join(problems)
        raise InvalidLinesError(
            f"{lines}{more}\nNothing was sent. Correct the file, or send it as it is with --no-validate."
        )
    return count


def _key(line: bytes, field: str) -> bytes | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    value = record.get(field) if isinstance(record, dict) else None
    return value.encode("utf-8", "replace") if isinstance(value, str) else None


def _explain(error: ErrorDetails, model: type[Record], line: bytes) -> str:
    """`key.path: what is wrong, what was found, how to fix it`."""
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "json_invalid":
        return f"{error['msg']}. A line must be one JSON object, alone on its line"
    if error["type"] == "record_too_large":
        return f"{error['msg']}. The stream would refuse it: a trigger or event carries facts, not documents"
    if error["type"] == "missing":
        return f"{path}: missing. {_closest(path, model, line)}"
    found = error["input"]
    shown = json.dumps(found, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    message = error["msg"].removeprefix("Value error, ")
    return f"{path or 'the line'}: {message}, found {_kind(found)} {shown}. {_hint(error['type'])}".rstrip()


def _closest(path: str, model: type[Record], line: bytes) -> str:
    record = json.loads(line)
    unknown = [name for name in record if name not in model.model_fields] if isinstance(record, dict) else []
    close = difflib.get_close_matches(path, unknown, n=1)
    if close:
        return f"Found '{close[0]}': rename it to '{path}'"
    return f"Add it; fields: {', '.join(model.model_fields)}"


def _kind(value: object) -> str:
    names = {bool: "the boolean", int: "the number", float: "the number", str: "the text", list: "the array"}
    return names.get(type(value), "the object" if isinstance(value, dict) else "")


def _hint(error_type: str) -> str:
    if error_type == "string_type":
        return "Put it in double quotes"
    if error_type.startswith(("datetime", "timezone")):
        return "Write it like 2026-03-01T09:00:00Z"
    if error_type == "key_twice":
        return "Remove one of the two"
    return ""
