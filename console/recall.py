"""`carillon recall`: who was rendered with a version of a campaign, and the word to senders not to deliver it.

Invariant: it lists ids, never addresses; it writes nothing with `--dry-run`, nor without a digest.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recall")(recall)


def recall(
    campaign: Annotated[str, typer.Option(metavar="KEY", help="The campaign_id.")],
    template_digest: Annotated[
        str | None, typer.Option(metavar="D", help="Every version that holds this template.")
    ] = None,
    content_version: Annotated[str | None, typer.Option(metavar="V", help="This campaign version.")] = None,
    detail: Annotated[str | None, typer.Option(help="Why, for people; no addresses.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write who was sent it there, one JSON object a line.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List only.")] = False,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Recall a campaign version: senders deliver nothing more of it. Without a digest: list the versions."""
    from datetime import datetime, timezone

    from conf import load
    from console.broker import send
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.recalls import TOPIC, choose, make_recall, recipients, template_digests, versions_of
    from pipelines.edges.tables import Tables
    from pipelines.errors import InputError

    settings = load(env)
    versions = versions_of(ObjectStore(settings.lake), campaign)
    if template_digest is None and content_version is None:
        for version, content in versions.items():
            print(f"{version}  {content.name}")
            for path, digest in template_digests(content).items():
                print(f"    {digest}  {path}")
        return
    if template_digest is not None and content_version is not None:
        raise InputError("give --template-digest or --content-version, not both.")
    chosen = choose(versions, template_digest, content_version)
    counts: Counter[tuple[str, str]] = Counter()
    lines = []
    for row in recipients(Tables(settings.lake), chosen):
        counts[row["campaign_version"], row["channel"]] += 1
        lines.append(json.dumps({**row, "decided_at": row["decided_at"].isoformat()}, ensure_ascii=False))
    if out is not None:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for (version, channel), count in sorted(counts.items()):
        print(f"{version}  {channel}: {count:,} messages sent")
    print(f"{len(lines):,} messages of {len(chosen)} versions")
    if dry_run:
        return
    now = datetime.now(timezone.utc)
    send(settings, [(TOPIC, *make_recall(campaign, version, now, detail)) for version in chosen])
    print(
        f"recalled: senders deliver nothing more of {', '.join(chosen)}. A run that still publishes it goes on: "
        "`carillon cancel RUN`; the stream uses what `carillon publish` makes active"
    )
