"""Who must not be written to any more: hard bounces, complaints, lists made by hand, domains, erased customers.

Invariant: rows are only appended; the newest `occurred_at` per (kind, value, channel) counts, and an erasure is
never lifted. It holds neither ids nor addresses in clear, so that an erasure has nothing to remove from it.
"""

from schemas.tables.table import Column, Table

#: What a suppression is about.
KINDS: tuple[str, ...] = ("customer", "address", "domain")

#: Why. `erased` comes with `customer.erased` only.
CAUSES: tuple[str, ...] = ("hard_bounce", "complaint", "manual", "erased")

TABLE = Table(
    name="suppressions",
    grain="one row per change of a suppression",
    keys=("event_id", "kind", "value"),
    columns=(
        Column("kind", "string", "customer, address or domain.", is_nullable=False),
        Column(
            "value",
            "string",
            "SHA-256 of the customer id or of the address in lower case, as hex; a domain as it is.",
            is_nullable=False,
        ),
        Column("channel", "string", "A channel's name; null for every channel."),
        Column("is_suppressed", "boolean", "False lifts an earlier suppression.", is_nullable=False),
        Column("cause", "string", "hard_bounce, complaint, manual or erased.", is_nullable=False),
        Column("occurred_at", "timestamp", "When it happened or was asked for.", is_nullable=False),
        Column("event_id", "string", "The event or the line of a list that said so.", is_nullable=False),
        Column("recorded_by", "string", "The pipeline or the command that recorded it.", is_nullable=False),
    ),
    partition_by=(),
    retention_days=None,
    writer="send_triggered, carillon suppress, carillon erase",
)
