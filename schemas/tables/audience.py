"""The audience snapshot: everybody a campaign can reach, as of one build.

Invariant: one row per customer; a snapshot is read at a pinned version only. Addresses were checked when it
was built.
"""

from schemas.tables.table import Column, Table

TABLE = Table(
    name="audience",
    grain="one row per customer",
    keys=("customer_id",),
    columns=(
        Column(
            "customer_id", "string", "The customer's id in the systems that send triggers.", is_nullable=False
        ),
        Column("email", "string", "Email address."),
        Column("phone", "string", "Phone number in E.164 form."),
        Column("push_token", "string", "The vendor's token for the customer's device."),
        Column("first_name", "string", "Given name."),
        Column("last_name", "string", "Family name."),
        Column("locale", "string", "Language and region as BCP 47, such as de-AT."),
        Column("time_zone", "string", "IANA name, such as Europe/Vienna."),
        Column("country", "string", "ISO 3166-1 alpha-2."),
        Column("preferred_channel", "string", "A channel's name."),
        Column("birth_date", "date", "Date of birth."),
        Column("signup_at", "timestamp", "When the customer signed up."),
        Column("lifetime_value", "decimal(12,2)", "Sum of orders, in the shop's currency."),
        Column("loyalty_points", "bigint", "Points at the time of the extract."),
        Column("segments", "array<string>", "Segments the customer belongs to."),
        Column(
            "recent_orders",
            "array<struct<order_id string, total double, currency string, item string,"
            " ordered_at timestamp>>",
            "Latest orders, newest first.",
        ),
        Column(
            "consents",
            "array<struct<channel string, topic string, granted boolean>>",
            "Consents as of the extract; later ones are in the table `consents`.",
        ),
        Column(
            "invalid_channels",
            "array<string>",
            "Channels whose address is present but not well-formed; found when the snapshot is built.",
        ),
    ),
    partition_by=(),
    retention_days=30,
    writer="build_audience",
)
