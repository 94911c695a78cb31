"""The reference sender: emails become `.eml` files, SMS and push JSON lines, and nothing leaves the machine.

Invariant: a file appears whole or not at all, under its message's id, so writing it again changes nothing;
lines of an unfinished chunk are taken back at the next start. It calls no vendor.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conf import ConfError, Settings, load
from schemas.messages import EmailMessage, Message
from senders.consumer import GROUP, Until, consume
from senders.decoding import ReceivedBatch
from senders.eml import UnwritableEmailError, write_eml
from senders.errors import SenderError
from senders.lines import JsonLines
from senders.receiving import COUNTS, Undeliverable
from senders.store import CountKey

SENDER = "Carillon demo <news@example.org>"
SUMMARY = "received.json"
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,99}")


class FileDelivery:
    """Writes messages below a directory; `emails_max` bounds the .eml files, not what is counted."""

    def __init__(self, directory: Path, *, sender: str = SENDER, emails_max: int | None = None) -> None:
        self._directory = directory
        self._sender = sender
        self._emails_left = emails_max
        self._folders: set[str] = set()
        self._lines: dict[str, JsonLines] = {}

    def deliver(self, received: ReceivedBatch, messages: Sequence[Message]) -> Sequence[Undeliverable]:
        """Write the messages; those that cannot be an email come back."""
        failed: list[Undeliverable] = []
        for message in messages:
            if not isinstance(message, EmailMessage):
                line = {"campaign_id": received.batch.campaign_id, **message.model_dump(mode="json")}
                self._lines_of(received.channel).append(line)
            elif self._emails_left is None or self._emails_left > 0:
                try:
                    self._write_email(received, message)
                except UnwritableEmailError as problem:
                    failed.append(Undeliverable(message.message_id, str(problem)))
                if self._emails_left is not None:
                    self._emails_left -= 1
        return failed

    def flush(self) -> Mapping[str, int]:
        """The sizes of the JSON-lines files."""
        return {lines.name: lines.flush() for lines in self._lines.values()}

    def rewind(self, sizes: Mapping[str, int]) -> None:
        """Take the JSON-lines files back; emails need no rewinding."""
        for channel in ("sms", "push"):
            self._lines_of(channel).rewind(sizes.get(f"{channel}.jsonl", 0))

    def close(self) -> None:
        """Close the JSON-lines files."""
        for lines in self._lines.values():
            lines.close()

    def _lines_of(self, channel: str) -> JsonLines:
        if channel not in self._lines:
            self._lines[channel] = JsonLines(self._directory / f"{channel}.jsonl")
        return self._lines[channel]

    def _write_email(self, received: ReceivedBatch, message: EmailMessage) -> None:
        if not _FILE_NAME.fullmatch(message.message_id):
            raise UnwritableEmailError(
                "the message_id is not one a file can be named after: letters, digits and hyphens"
            )
        octets = write_eml(
            sender=self._sender,
            to=message.to,
            subject=message.subject,
            preheader=message.preheader,
            html=message.html,
            text=message.text,
            headers=message.headers.model_dump(by_alias=True, exclude_none=True),
            date=received.made_at,
            boundary_seed=message.message_id,
        )
        # 256 folders: 200,000 files are 800 a folder, which every file manager can show.
        folder = f"{self._directory}/email/{message.message_id[:2].lower()}"
        if folder not in self._folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        # One temporary name for all (a directory has one sender) and bare system calls: half of Path's time.
        temporary = f"{self._directory}/email/.part"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            written = os.write(descriptor, octets)
        finally:
            os.close(descriptor)
        if written < len(octets):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temporary)
        os.replace(temporary, f"{folder}/{message.message_id}.eml")


def run(
    settings: Settings,
    directory: Path,
    *,
    until: Until = Until(),  # noqa: B008 - frozen
    stop: threading.Event | None = None,
    emails_max: int | None = None,
    sender: str = SENDER,
    group: str = GROUP,
) -> dict[str, Any]:
    """Receive into `directory` until told to stop, write the summary there, and return it."""
    delivery = FileDelivery(directory, sender=sender, emails_max=emails_max)
    summary = summarize(consume(settings, directory, delivery, until=until, stop=stop, group=group))
    temporary = directory / f".{SUMMARY}.part"
    temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(directory / SUMMARY)
    return summary


def summarize(counts: Counter[CountKey]) -> dict[str, Any]:
    """Totals, and the same counts for each campaign and channel."""
    campaigns: dict[str, dict[str, dict[str, int]]] = {}
    for channel, campaign, name in sorted(counts):
        row = campaigns.setdefault(campaign, {}).setdefault(channel, dict.fromkeys(COUNTS, 0))
        row[name] = counts[channel, campaign, name]
    totals = {name: sum(number for key, number in counts.items() if key[2] == name) for name in COUNTS}
    return {**totals, "campaigns": campaigns}


def main(arguments: Sequence[str] | None = None) -> int:
    """Receive send batches and write them to files."""
    options = _parse(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        summary = run(
            load(options.env),
            options.out,
            until=Until(
                options.until_idle, options.until_count, input_end() if options.until_closed else None
            ),
            stop=stop,
            emails_max=options.emails,
            sender=options.sender,
            group=options.group,
        )
    except (ConfError, SenderError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except OSError as problem:
        sys.stderr.write(
            f"{problem.filename or options.out}: {problem.strerror}. Nothing is lost: start it again.\n"
        )
        return 1
    sys.stdout.write(render(summary) + "\n")
    return 0


def input_end() -> threading.Event:
    """Set when standard input ends: by then whoever holds it has nothing more for the topics, or is gone."""
    ended = threading.Event()

    def follow() -> None:
        # Not by sys.stdin: a thread that waits with its lock in hand breaks the end of the process.
        while os.read(0, 4096):
            pass
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    return ended


def render(summary: Mapping[str, Any]) -> str:
    """The summary as a table of plain text."""
    rows = [("campaign", "channel", *COUNTS)]
    for campaign, channels in summary["campaigns"].items():
        rows += [
            (campaign, channel, *(f"{row[name]:,}" for name in COUNTS)) for channel, row in channels.items()
        ]
    rows.append(("all", "", *(f"{summary[name]:,}" for name in COUNTS)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width) for index, (cell, width) in enumerate(cells)
        )
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m senders.reference", description=main.__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for messages, state and received.json"
    )
    parser.add_argument("--env", default="local", help="environment of conf/ (default: local)")
    parser.add_argument(
        "--until-idle", type=float, metavar="SECONDS", help="stop when all is read and nothing comes"
    )
    parser.add_argument(
        "--until-closed", action="store_true", help="stop when standard input has ended and all is read"
    )
    parser.add_argument("--until-count", type=int, metavar="N", help="stop after N distinct messages")
    parser.add_argument(
        "--emails", type=_emails, default=None, metavar="N|all", help="how many .eml files to write"
    )
    parser.add_argument("--from", dest="sender", default=SENDER, help=f"the From header (default: {SENDER})")
    parser.add_argument("--group", default=GROUP, help=f"consumer group (default: {GROUP})")
    return parser.parse_args(arguments)


def _emails(text: str) -> int | None:
    return None if text == "all" else int(text)


if __name__ == "__main__":
    sys.exit(main())
