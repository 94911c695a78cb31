"""`carillon explain`: what was decided about one customer, when, and why, in plain words.

Invariant: it starts no Spark and changes nothing. What a run has decided to send is called sent when the run has ended.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    customer: Annotated[str, typer.Option(metavar="ID", help="The customer_id.")],
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="This campaign only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object, with every gate's verdict.")] = False,
    env: Annotated[str, typer.Option(help="The environment in conf/environments.")] = "local",
) -> None:
    """Tell why a customer got a message or did not."""
    from conf import load
    from pipelines.edges.about import decisions_about
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.tables import Tables
    from pipelines.edges.under_way import under_way
    from pipelines.stories import STORY_COLUMNS, in_order, sentence, to_json
    from pipelines.suppression import pseudonym

    lake = load(env).lake
    names = {customer, pseudonym(customer)}
    rows = in_order(decisions_about(Tables(lake), names, STORY_COLUMNS, campaign))
    sent = [row for row in rows if row["decision"] == "sent"]
    runs = under_way(ObjectStore(lake), (row["pipeline"] for row in sent))
    rows = [{**row, "is_under_way": row["decision"] == "sent" and row["pipeline"] in runs} for row in rows]
    if as_json:
        story = {
            "customer_id": customer,
            "campaign_id": campaign,
            "decisions": [to_json(row) for row in rows],
        }
        print(json.dumps(story, ensure_ascii=False))
        return
    if not rows:
        about = f" by campaign '{campaign}'" if campaign else ""
        print(
            f"Customer '{customer}' was never considered{about}: no trigger named them, no event of theirs met a "
            "campaign's condition, and no audience rule has or records them."
        )
        return
    if any(row["customer_id"] != customer for row in rows):
        print("This customer was erased: decisions before that are kept under a pseudonym.")
    for row in rows:
        print(sentence(row))
