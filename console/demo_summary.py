"""What the demo says at the end: who was considered, who got it, who did not and why, and whether both sides agree.

Invariant: the left side of every comparison comes from the lake (results of the units), the right side from the
sender's own count of what a read-committed consumer saw.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conf import Settings


def summarize(
    settings: Settings, received: dict[str, Any], malformed: int, customers: int, seconds: float
) -> dict[str, Any]:
    """Keys `campaigns`, `balanced`, `published`, `received`, `duplicates`, `dead_letters`, and how it was made."""
    from pipelines.edges.manifests import ManifestStore
    from pipelines.edges.objects import ObjectStore

    campaigns: dict[str, dict[str, Any]] = {}
    dead_letters: Counter[str] = Counter()
    for result in ManifestStore(ObjectStore(settings.lake)).results():
        dead_letters.update(result["dead_letters"])
        for campaign_id, channels in result["campaigns"].items():
            for channel, counts in channels.items():
                merge(campaigns.setdefault(campaign_id, {}), channel, counts)
    lines = [line for channels in campaigns.values() for line in channels.values()]
    published = sum(line["published"] for line in lines)
    balanced = all(is_balanced(line) for line in lines) and published == received["received"]
    return {
        "campaigns": campaigns,
        "balanced": balanced,
        "published": published,
        "received": received["received"],
        "duplicates": received["duplicates"],
        "dead_letters": {
            "published": sum(dead_letters.values()),
            "malformed_inputs": malformed,
            "reasons": dict(sorted(dead_letters.items())),
        },
        "passed": balanced and received["duplicates"] == 0 and sum(dead_letters.values()) == malformed,
        "customers": customers,
        "seconds": round(seconds, 1),
    }


def merge(channels: dict[str, Any], channel: str, counts: dict[str, Any]) -> None:
    """Add the counts of one unit to those of a campaign and channel."""
    line = channels.setdefault(channel or "none", {})
    for name, value in counts.items():
        if isinstance(value, dict):
            line[name] = dict(sorted((Counter(line.get(name, {})) + Counter(value)).items()))
        else:
            line[name] = line.get(name, 0) + value


def is_balanced(line: dict[str, Any]) -> bool:
    """Whether everybody considered is accounted for, and everything sent was published."""
    decided = line["sent"] + line["held"] + sum(line["excluded"].values()) + sum(line["failed"].values())
    return bool(line["considered"] == decided and line["sent"] == line["published"])


def show(summary: dict[str, Any], out: Path) -> None:
    """Write summary.json and print the table."""
    from rich.console import Console
    from rich.table import Table

    path = out / "summary.json"
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    table = Table(title="Who got it, who did not, and why", title_justify="left")
    for name in ("campaign", "channel"):
        table.add_column(name, no_wrap=True)
    for name in ("considered", "sent", "held", "excluded", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold")
    for campaign_id, channels in summary["campaigns"].items():
        for channel, line in channels.items():
            excluded, failed = sum(line["excluded"].values()), sum(line["failed"].values())
            reasons = {**line["excluded"], **line["failed"]}
            words = ", ".join(
                f"{name} {count:,}" for name, count in sorted(reasons.items(), key=lambda r: -r[1])
            )
            numbers = [f"{n:,}" for n in (line["considered"], line["sent"], line["held"], excluded, failed)]
            table.add_row(campaign_id, channel, *numbers, words)
    console = Console()
    # Where nobody looks on, a fixed width keeps the table from being folded into a narrow pipe.
    if not console.is_terminal:
        console = Console(width=150)
    console.print(table)
    letters = summary["dead_letters"]
    print(
        f"sent {summary['published']:,}, received {summary['received']:,}, duplicates {summary['duplicates']}, "
        f"dead letters {letters['published']} of {letters['malformed_inputs']} malformed inputs: "
        + ("the books balance." if summary["passed"] else "THE BOOKS DO NOT BALANCE.")
    )
    print(f"Messages: {out / 'messages'} (open any .eml), summary: {path}. {summary['seconds']} s in all.")
