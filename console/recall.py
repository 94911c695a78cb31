"""`carillon recall`: who was rendered with a version of a campaign, and the word to senders not to deliver it.

Invariant: it lists ids, never addresses; it writes nothing with `--dry-run`, nor without a digest. What a run that has
not ended has decided to send is not called sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from conf import Settings
    from pipelines.edges.status import RunStatus


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
        Path | None, typer.Option(help="Write who was sent it, or is to be, there; one JSON object a line.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List only.")] = False,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Recall a campaign version: senders deliver nothing more of it. Without a digest: list the versions."""
    from datetime import datetime, timezone

    from conf import load
    from console.broker import send
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.recalls import TOPIC, choose, make_recall, template_digests, versions_of
    from pipelines.edges.under_way import unfinished_runs
    from pipelines.errors import InputError

    settings = load(env)
    objects = ObjectStore(settings.lake)
    versions = versions_of(objects, campaign)
    if template_digest is None and content_version is None:
        for version, content in versions.items():
            print(f"{version}  {content.name}")
            for path, digest in template_digests(content).items():
                print(f"    {digest}  {path}")
        return
    if template_digest is not None and content_version is not None:
        raise InputError("give --template-digest or --content-version, not both.")
    chosen = choose(versions, template_digest, content_version)
    unfinished = unfinished_runs(objects, campaign, chosen)
    _tell_recipients(settings, chosen, unfinished, out)
    if not dry_run:
        now = datetime.now(timezone.utc)
        send(settings, [(TOPIC, *make_recall(campaign, version, now, detail)) for version in chosen])
        print(
            f"recalled: senders deliver nothing more of {', '.join(chosen)}. Runs go on; the stream uses what "
            "`carillon publish` makes active"
        )
    # After the recall, which is urgent.
    _tell_what_goes_on(settings, campaign, chosen, unfinished)


def _tell_recipients(
    settings: Settings, versions: Sequence[str], unfinished: Sequence[str], out: Path | None
) -> None:
    """How many of each version and channel; and to `out` who."""
    from pipelines.edges.recalls import recipients
    from pipelines.edges.tables import Tables

    counts: Counter[tuple[str, str, bool]] = Counter()
    lines = []
    for row in recipients(Tables(settings.lake), versions):
        is_under_way = row["pipeline"] in unfinished
        counts[row["campaign_version"], row["channel"], is_under_way] += 1
        told = {**row, "decided_at": row["decided_at"].isoformat(), "is_under_way": is_under_way}
        lines.append(json.dumps(told, ensure_ascii=False))
    if out is not None:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for (version, channel, is_under_way), count in sorted(counts.items()):
        print(f"{version}  {channel}: {count:,} messages {'decided to be sent' if is_under_way else 'sent'}")
    print(f"{len(lines):,} messages of {len(versions)} versions")


def _tell_what_goes_on(
    settings: Settings, campaign: str, versions: Collection[str], unfinished: Sequence[str]
) -> None:
    """The runs that will publish more of these versions, and the messages that wait for it, in the version of their
    run."""
    from datetime import datetime, timezone

    from pipelines.edges.control import RunControl
    from pipelines.edges.manifests import ManifestStore
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.status import StatusReader
    from pipelines.edges.tables import Tables
    from pipelines.edges.waiting import waiting_by_run
    from pipelines.runs import INCARNATION, UNIT, run_name, run_pipeline

    objects, tables = ObjectStore(settings.lake), Tables(settings.lake)
    if unfinished:
        reader = StatusReader(objects, tables, settings.kafka.librdkafka())
        try:
            for pipeline in unfinished:
                print(_progress(reader.run(run_name(pipeline), datetime.now(timezone.utc))))
        finally:
            reader.close()
    for pipeline, waits in sorted(waiting_by_run(tables).items()):
        if not pipeline.startswith(run_pipeline(campaign, "")):
            continue
        pinned = ManifestStore(objects).find(f"{pipeline}/{INCARNATION}", UNIT)
        if pinned is None or pinned.campaigns.get(campaign) not in versions:
            continue
        name = run_name(pipeline)
        is_cancelled = RunControl(objects, pipeline).wanted() == "cancel"
        becomes = (
            "recorded as cancelled" if is_cancelled else "rendered in the version that its run began with,"
        )
        print(
            f"run {name}: {waits.count:,} messages wait, until {waits.until:%Y-%m-%dT%H:%M:%S}; each is {becomes} when "
            "it is due" + ("" if is_cancelled else f"; `carillon cancel {name}` stops them")
        )


def _progress(one: RunStatus) -> str:
    """How far a run is that had not ended, and how to end it."""
    if one.planned is None:
        done = "it still decides, and has published nothing"
    else:
        done = f"{one.published:,} of {one.planned:,} messages published so far"
    ends = "it is to be cancelled" if one.wanted == "cancel" else f"`carillon cancel {one.run}` stops it"
    return f"run {one.run} has not ended ({one.state}): {done}; {ends}"
