"""Events that drop a waiting message, kept because they may arrive before the trigger whose message they drop.

Invariant: rows are only appended, one per event and campaign that names it in `cancel_on`.
"""

from schemas.tables.table import Column, Table

TABLE = Table(
    name="cancellations",
    grain="one row per (customer event, campaign that it cancels)",
    keys=("event_id", "campaign_id", "customer_id"),
    columns=(
        Column("campaign_id", "string", "The campaign whose messages it drops.", is_nullable=False),
        Column("customer_id", "string", "Whose messages.", is_nullable=False),
        Column("property", "string", "A property that must be equal in the trigger; null when none must."),
        Column("value", "string", "The event's value of that property."),
        Column("event_type", "string", "The type of the event.", is_nullable=False),
        Column("event_id", "string", "The event.", is_nullable=False),
        Column(
            "occurred_at", "timestamp", "When it happened; earlier triggers are dropped.", is_nullable=False
        ),
    ),
    partition_by=(),
    retention_days=400,
    writer="send_triggered",
)
