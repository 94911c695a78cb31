"""What a topic's YAML file may say.

Invariant: a file with an unknown key, an unknown Kafka setting or a missing fact does not load. It creates no
topic.
"""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

# Kafka's topic settings that we use; a misspelt one would be refused by the broker only at creation.
CONFIG_KEYS: tuple[str, ...] = (
    "cleanup.policy",
    "retention.ms",
    "max.message.bytes",
    "min.cleanable.dirty.ratio",
    "segment.ms",
    "segment.bytes",
    "max.compaction.lag.ms",
    "delete.retention.ms",
    "message.timestamp.type",
)
REQUIRED_CONFIG_KEYS: tuple[str, ...] = ("cleanup.policy", "max.message.bytes")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(_Part):
    """A Kafka header of the topic's records."""

    name: str = Field(min_length=1)
    value: str = Field(min_length=1, description="What it holds, in words or as a literal.")
    is_required: bool = True


class Topic(_Part):
    """One Kafka topic: why it exists, who writes and reads it, and what a record looks like."""

    name: str = Field(pattern=r"^[a-z]+(\.[a-z]+(-[a-z]+)*)+$|^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$")
    direction: Literal["in", "out"]
    purpose: str = Field(min_length=20)
    producers: tuple[str, ...] = Field(min_length=1)
    consumers: tuple[str, ...] = Field(min_length=1)
    key: str = Field(min_length=1, description="What the record key is.")
    partitioning: str = Field(
        min_length=10, description="What follows from the key for order and partitions."
    )
    headers: tuple[Header, ...] = ()
    partitions: int = Field(ge=1)
    config: dict[str, str]
    content_type: Literal["application/json", "application/octet-stream"]
    value_schema: str | None = Field(
        description="A name in schemas.messages.RECORDS; null for original bytes."
    )
    version: int = Field(ge=1)
    examples: tuple[str, ...] = Field(min_length=1, description="Files in schemas/messages/examples.")

    @field_validator("config")
    @classmethod
    def _check_config(cls, config: dict[str, str]) -> dict[str, str]:
        for key in config:
            if key not in CONFIG_KEYS:
                close = difflib.get_close_matches(key, CONFIG_KEYS, n=1)
                hint = f"Did you mean '{close[0]}'? " if close else ""
                raise ValueError(f"unknown Kafka setting '{key}'. {hint}Allowed: {', '.join(CONFIG_KEYS)}")
        missing = [key for key in REQUIRED_CONFIG_KEYS if key not in config]
        if missing:
            raise ValueError(f"missing {', '.join(missing)}")
        if config["cleanup.policy"] == "delete" and "retention.ms" not in config:
            raise ValueError("cleanup.policy delete needs retention.ms")
        return config

    @property
    def max_message_bytes(self) -> int:
        """The largest record batch the topic takes, in bytes."""
        return int(self.config["max.message.bytes"])

    @property
    def header_names(self) -> tuple[str, ...]:
        """The names of the headers in order."""
        return tuple(header.name for header in self.headers)
