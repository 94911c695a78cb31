"""The ledger: what was decided about whom, and why, before anything was sent.

Invariant: rows are only appended, one per decision and stage; a later stage refines an earlier one and never
removes it. Everybody considered has a row. It holds no address and no message body.
"""

from schemas.tables.table import Column, Table

STAGES: tuple[str, ...] = ("decide", "render")
SOURCES: tuple[str, ...] = ("trigger", "event", "run")

TABLE = Table(
    name="ledger",
    grain="one row per (decision, stage)",
    keys=("decision_id", "stage"),
    columns=(
        Column(
            "decision_id",
            "string",
            "Stable id of the decision: a hash of what was decided about.",
            is_nullable=False,
        ),
        Column(
            "stage", "string", "decide or render; the render row counts when there is one.", is_nullable=False
        ),
        Column("pipeline", "string", "The stream's or the run's pipeline.", is_nullable=False),
        Column("unit", "bigint", "The epoch, or the run's number.", is_nullable=False),
        Column("source", "string", "trigger, event or run.", is_nullable=False),
        Column("source_id", "string", "The trigger_id, event_id or run_id.", is_nullable=False),
        Column("campaign_id", "string", "The campaign.", is_nullable=False),
        Column(
            "campaign_version", "string", "Digest of the campaign's files; null when the campaign is unknown."
        ),
        Column("customer_id", "string", "The customer.", is_nullable=False),
        Column("channel", "string", "The channel; null when the decision fell before a channel was chosen."),
        Column(
            "message_id",
            "string",
            "UUIDv5 of (campaign, run or trigger, customer, channel); an absent channel counts as empty.",
        ),
        Column("decision", "string", "sent, held, excluded or failed.", is_nullable=False),
        Column("reason", "string", "A code of schemas/reasons.py; null when sent."),
        Column("detail", "string", "What decided, in words; never an address or a body."),
        Column(
            "gates",
            "array<struct<gate string, passed boolean, value string>>",
            "Every gate's verdict, in order.",
        ),
        Column("locale", "string", "The locale rendered."),
        Column("variant", "string", "The variant assigned."),
        Column("send_partition", "int", "The shard of recipients whose producer publishes it."),
        Column("audience_version", "bigint", "The pinned version of the audience table."),
        Column("occurred_at", "timestamp", "The trigger's or event's own time."),
        Column("expires_at", "timestamp", "After this it is not sent any more."),
        Column("due_at", "timestamp", "Until when a held message waits; null unless held."),
        Column("priority", "int", "The campaign's priority; null when the campaign is unknown."),
        Column(
            "category", "string", "The campaign's category, by which caps count; null when it is unknown."
        ),
        Column("decided_at", "timestamp", "The pinned clock of the epoch or run.", is_nullable=False),
        Column("data", "string", "The trigger's data or the event's properties, as JSON."),
        Column(
            "run",
            "string",
            "The pipeline of the run that it is of, also after a wait; null for others, and in older rows.",
        ),
        Column("decided_date", "date", "The UTC date of decided_at.", is_nullable=False),
    ),
    partition_by=("decided_date",),
    retention_days=400,
    writer="send_triggered, send_campaign",
)
