"""`carillon publish`: check a campaign folder, store it under its digest, and make that version the active one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("publish")(publish)


def publish(
    folder: Annotated[Path, typer.Argument(help="A campaign's folder, or a folder of campaigns.")],
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Publish a campaign, or every campaign of a workspace, to the lake."""
    import conf
    from console.workspace import campaign_folders
    from pipelines.campaigns import load_folder
    from pipelines.edges.campaign_store import CampaignStore
    from pipelines.edges.objects import ObjectStore

    # All are checked before the first is stored: a workspace with one mistake changes nothing.
    campaigns = [load_folder(path) for path in campaign_folders(folder)]
    store = CampaignStore(ObjectStore(conf.load(env).lake))
    active = store.active_digests()
    for campaign in campaigns:
        digest = store.publish(campaign)
        news = "unchanged" if active.get(campaign.campaign_id) == digest else "published"
        print(f"{campaign.campaign_id}  {digest[:12]}  {news}")
