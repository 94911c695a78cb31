"""The Kafka topics, one YAML file each; `load_topics()` gives them in the order of the flow.

Invariant: the files in this folder and TOPIC_NAMES name the same topics. Creating topics is the caller's
business: `Topic.partitions` and `Topic.config` are what an admin client needs.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import yaml
from pydantic import ValidationError

from schemas.topics.topic import Header, Topic

__all__ = ["TOPIC_NAMES", "Header", "Topic", "TopicError", "load_topics", "parse_topic", "topic"]

TOPIC_NAMES: tuple[str, ...] = (
    "campaign.triggers",
    "customer.events",
    "delivery.events",
    "email.send-batches",
    "sms.send-batches",
    "push.send-batches",
    "campaign.dead-letters",
    "send.progress",
    "send.recalls",
)


class TopicError(ValueError):
    """A topic's YAML file is wrong; the message names the file and the key."""


@lru_cache(maxsize=1)
def load_topics() -> tuple[Topic, ...]:
    """All topics, in the order of TOPIC_NAMES."""
    folder = resources.files(__name__)
    return tuple(
        parse_topic(f"{name}.yaml", folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
        for name in TOPIC_NAMES
    )


def topic(name: str) -> Topic:
    """The topic of that name; a KeyError that lists the names otherwise."""
    for row in load_topics():
        if row.name == name:
            return row
    raise KeyError(f"unknown topic '{name}'. Topics: {', '.join(TOPIC_NAMES)}")


def parse_topic(file_name: str, text: str) -> Topic:
    """The topic a YAML file declares."""
    try:
        tree = yaml.safe_load(text)
        parsed = Topic.model_validate(tree)
    except yaml.YAMLError as problem:
        raise TopicError(f"schemas/topics/{file_name}: not YAML: {problem}") from None
    except ValidationError as problem:
        lines = [
            f"schemas/topics/{file_name}: {'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
            for error in problem.errors(include_url=False, include_context=False)
        ]
        raise TopicError("\n".join(lines)) from None
    if f"{parsed.name}.yaml" != file_name:
        raise TopicError(f"schemas/topics/{file_name}: name: found {parsed.name}; it must be the file's name")
    return parsed
