"""What the ledger says about a customer or a run, in the words of people.

Invariant: every sentence is made of the ledger's rows, and of what is known of their runs; nothing is looked up or
guessed. The ledger is written before anything is published: of a run that is under way nothing is called sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timezone
from typing import Any

from pipelines.books import Books
from schemas.reasons import reason as reason_named

Row = dict[str, Any]

#: The columns of the ledger that a story is made of.
STORY_COLUMNS = (
    "decided_at", "stage", "campaign_id", "channel", "decision", "reason", "detail", "gates", "due_at", "source",
    "source_id", "message_id", "pipeline", "unit", "variant", "campaign_version",
)  # fmt: skip


def in_order(rows: Iterable[Row]) -> list[Row]:
    """The decisions as they were made; a correction after what it corrects."""
    return sorted(
        rows, key=lambda row: (row["decided_at"], row["stage"], row["campaign_id"], row["channel"] or "")
    )


def decisive_value(row: Row) -> str | None:
    """The value of the first gate that did not pass."""
    return next((gate["value"] for gate in row["gates"] or () if not gate["passed"]), None)


def sentence(row: Row) -> str:
    """One decision: when, about what, how it ended and why. `row` also says whether `is_under_way`: whether it is to be
    sent by a run that has not ended."""
    about = f"{row['campaign_id']}, {row['channel']}" if row["channel"] else str(row["campaign_id"])
    cause = {"trigger": "trigger", "event": "event", "run": "run"}[row["source"]]
    return f"{moment(row['decided_at'])}  {about}: {_outcome(row)} ({cause} {row['source_id']})"


def _outcome(row: Row) -> str:
    if row["decision"] == "sent":
        return "to be sent: its run has not ended" if row["is_under_way"] else "sent"
    word = "not sent" if row["stage"] == "render" else row["decision"]
    until = f" until {moment(row['due_at'])}" if row["due_at"] else ""
    told = [f"{word}{until}: {row['reason']}"]
    if row["reason"]:
        told.append(reason_named(row["reason"]).meaning)
    shown = row["detail"] or decisive_value(row)
    if shown:
        told.append(f"[{shown}]")
    return " ".join(told)


def to_json(row: Row) -> Row:
    """The row as JSON can hold it."""
    return {name: moment(value) if isinstance(value, datetime) else value for name, value in row.items()}


def moment(at: datetime) -> str:
    """To the second, in UTC."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def count_reasons(counted: Collection[Row], under_way: Collection[str] = ()) -> list[Row]:
    """From counts by (stage, campaign_id, channel, decision, reason, run): how many of each outcome in the end, the
    most frequent first within a line. A correction after rendering moves what it corrects. What the runs `under_way`
    are to send is told apart, as `is_under_way`."""
    books = Books()
    books.add_decisions(counted)
    waits: Counter[tuple[str, str]] = Counter()
    for row in counted:
        if row.get("run") in under_way:
            waits[row["campaign_id"], row["channel"] or ""] += row["count"] * (
                -1 if row["stage"] == "render" else 1
            )
    lines: list[Row] = []
    for (campaign_id, channel), line in sorted(books.lines.items()):
        to_send = waits[campaign_id, channel]
        found: list[tuple[str, str | None, int, bool]] = [
            ("sent", None, to_send, True),
            ("sent", None, line.sent - to_send, False),
            ("held", None, line.held, False),
        ]
        found += [("excluded", code, count, False) for code, count in line.excluded.items()]
        found += [("failed", code, count, False) for code, count in line.failed.items()]
        for decision, code, count, is_under_way in sorted(
            found, key=lambda one: (-one[2], one[0], one[1] or "")
        ):
            if count:
                meaning = reason_named(code).meaning if code else None
                lines.append(
                    {
                        "campaign_id": campaign_id,
                        "channel": channel or None,
                        "decision": decision,
                        "is_under_way": is_under_way,
                        "reason": code,
                        "count": count,
                        "meaning": meaning,
                    }
                )
    return lines
