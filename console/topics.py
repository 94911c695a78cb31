"""`carillon topics`: the declared topics, and those of them that a broker lacks."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    topics = typer.Typer(
        help="List or create the topics that Carillon reads and writes.", no_args_is_help=True
    )
    topics.command("list")(list_topics)
    topics.command("create")(create)
    app.add_typer(topics, name="topics")


def list_topics() -> None:
    """Print each topic's name, partitions, key and purpose."""
    from schemas.topics import load_topics

    for topic in load_topics():
        print(
            f"{topic.name}  {topic.partitions} partitions  key {topic.key}  {' '.join(topic.purpose.split())}"
        )


def create(
    replication_factor: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 3,
    env: Annotated[str, typer.Option(help="Environment of conf/.")] = "local",
) -> None:
    """Create the topics that do not exist yet; those that do are left as they are."""
    import conf
    from console.broker import connection
    from pipelines.edges.topics import create_topics
    from schemas.topics import load_topics

    declared = load_topics()
    made = create_topics(connection(conf.load(env)), declared, replication_factor)
    for topic in declared:
        print(f"{topic.name}  {'created' if topic.name in made else 'was there'}")
