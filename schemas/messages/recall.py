"""A recall: messages of one campaign version are not to be delivered any more.

Invariant: it names a version, never people; telling it twice changes nothing, and it is never taken back.
"""

from __future__ import annotations

from pydantic import Field

from schemas.messages.base import Id, Record, SchemaVersion, Timestamp


class Recall(Record):
    """What a sender must not deliver from now on. Topic send.recalls, key campaign_version."""

    recall_id: Id = Field(description="Equal for every telling of the same recall.")
    campaign_id: Id
    campaign_version: Id = Field(
        description="As in the send batches: content digest of the campaign's files."
    )
    recalled_at: Timestamp
    detail: str | None = Field(default=None, description="Why, for people; no address, no content.")
    schema_version: SchemaVersion = 1
