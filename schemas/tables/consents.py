"""Consent events that arrived after the snapshot was extracted.

Invariant: rows are only appended; the newest `occurred_at` per (customer, channel, topic) counts, and it
overrides the snapshot's consent when it is newer than the snapshot. It does not hold suppressions.
"""

from schemas.tables.table import Column, Table

TABLE = Table(
    name="consents",
    grain="one row per consent event and (channel, topic) it changes",
    keys=("event_id", "customer_id", "channel", "topic"),
    columns=(
        Column("customer_id", "string", "Whose consent.", is_nullable=False),
        Column("channel", "string", "A channel's name.", is_nullable=False),
        Column("topic", "string", "The consent topic, such as marketing.", is_nullable=False),
        Column("granted", "boolean", "True when given, false when withdrawn.", is_nullable=False),
        Column("occurred_at", "timestamp", "When the customer said so.", is_nullable=False),
        Column("event_id", "string", "The customer event that carried it.", is_nullable=False),
        Column("recorded_pipeline", "string", "The pipeline that recorded it.", is_nullable=False),
        Column("recorded_unit", "bigint", "The epoch that recorded it.", is_nullable=False),
    ),
    partition_by=(),
    retention_days=None,
    writer="send_triggered",
)
