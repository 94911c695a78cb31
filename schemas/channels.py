"""The channels a message can leave on, as an ordered table.

Invariant: to add a channel is to add a row here (and what the tests then ask for); no other module asks for a
channel by name. It does not render, batch or validate addresses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContentPart:
    """One template an author writes for a channel: `templates/<channel>/<name>.<locale>.<extension>.j2`."""

    name: str
    extension: str
    is_html: bool
    is_required: bool
    why: str = ""  # why it is required, for the author who left it out

    def file_name(self, locale: str) -> str:
        """The template's file name for a locale: `subject.en.txt.j2`."""
        return f"{self.name}.{locale}.{self.extension}.j2"


@dataclass(frozen=True, slots=True)
class ChannelDefaults:
    """Batch limits that hold where the configuration names none; conf/settings.py states the same numbers."""

    messages_per_batch_max: int
    batch_bytes_max: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to reach a customer."""

    name: str
    topic: str
    address_column: str  # the snapshot's column that holds the address
    content_parts: tuple[ContentPart, ...]
    defaults: ChannelDefaults

    @property
    def batch_type(self) -> str:
        """The CloudEvents type of its send batches."""
        return f"carillon.send-batch.{self.name}.v1"


# 900,000 bytes leave room for key, headers and framing under the 1,000,000 of librdkafka; the
# broker's default is 1,048,588. 50 recipients a call is what Braze takes.
CHANNELS: tuple[Channel, ...] = (
    Channel(
        name="email",
        topic="email.send-batches",
        address_column="email",
        content_parts=(
            ContentPart("subject", "txt", is_html=False, is_required=True),
            ContentPart("preheader", "txt", is_html=False, is_required=False),
            ContentPart("html", "html", is_html=True, is_required=True),
            ContentPart(
                "text",
                "txt",
                is_html=False,
                is_required=True,
                why="mail programs and spam filters expect a plain-text alternative to the HTML",
            ),
        ),
        defaults=ChannelDefaults(messages_per_batch_max=50, batch_bytes_max=900_000),
    ),
    Channel(
        name="sms",
        topic="sms.send-batches",
        address_column="phone",
        content_parts=(ContentPart("text", "txt", is_html=False, is_required=True),),
        defaults=ChannelDefaults(messages_per_batch_max=500, batch_bytes_max=900_000),
    ),
    Channel(
        name="push",
        topic="push.send-batches",
        address_column="push_token",
        content_parts=(
            ContentPart("title", "txt", is_html=False, is_required=True),
            ContentPart("body", "txt", is_html=False, is_required=True),
            ContentPart("deep_link", "txt", is_html=False, is_required=False),
        ),
        defaults=ChannelDefaults(messages_per_batch_max=500, batch_bytes_max=900_000),
    ),
)

CHANNEL_NAMES: tuple[str, ...] = tuple(row.name for row in CHANNELS)


def channel(name: str) -> Channel:
    """The channel of that name; a KeyError that lists the names otherwise."""
    for row in CHANNELS:
        if row.name == name:
            return row
    raise KeyError(f"unknown channel '{name}'. Channels: {', '.join(CHANNEL_NAMES)}")
