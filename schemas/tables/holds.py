"""Holds: decisions that are made again when they fall due, and the word that they were.

Invariant: rows are only appended; a hold is open while it has an `open` row and no `closed` one. Partitions and the
order of rows within a file let a reader skip everything that is not due. It repeats what the ledger says of the held
decision, so that a release reads nothing else.
"""

from schemas.tables.table import Column, Table

STATES: tuple[str, ...] = ("open", "closed")

TABLE = Table(
    name="holds",
    grain="one row per (hold, state)",
    keys=("hold_id", "state"),
    columns=(
        Column("hold_id", "string", "The decision_id of the held decision.", is_nullable=False),
        Column("state", "string", "open or closed; a closed row has the keys alone.", is_nullable=False),
        Column("owner", "string", "The pipeline that makes the decision again.", is_nullable=False),
        Column("due_at", "timestamp", "When.", is_nullable=False),
        Column("due_date", "date", "The UTC date of due_at.", is_nullable=False),
        Column("message_id", "string", "As in the ledger."),
        Column("source", "string", "trigger, event or run."),
        Column("source_id", "string", "The trigger_id, event_id or run_id."),
        Column("campaign_id", "string", "The campaign."),
        Column("channel", "string", "The channel."),
        Column("customer_id", "string", "The customer."),
        Column("occurred_at", "timestamp", "The trigger's or event's own time."),
        Column("expires_at", "timestamp", "After this it is not sent any more."),
        Column("data", "string", "The trigger's data or the event's properties, as JSON."),
        Column("priority", "int", "The higher, the earlier among those that are due."),
        Column("held_at", "timestamp", "When it was held: the pinned clock of that epoch or run."),
        Column("reason", "string", "Why it was held; null in rows of older versions."),
        Column("campaign_version", "string", "As in the ledger; null in rows of older versions."),
        Column("run", "string", "The pipeline of the run that holds it; null for others, and in older rows."),
    ),
    partition_by=("due_date", "state"),
    retention_days=30,
    writer="send_triggered, send_campaign",
)
