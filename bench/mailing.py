"""What `bench.publish` sends, and to whom: one email of some 10 KB, one SMS of some 130 characters, one triggered email.

Invariant: an audience `for_messages(n, channel)` has exactly n customers who consented to the channel; the others are
excluded by the gates. Nobody here exists: example.org, +1 555 01xx. Does not measure.
"""

# ruff: noqa: E501 - a template reads best unbroken
from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from bench.population import audience as population
from pipelines.campaigns import Campaign

_STYLE = 'style="font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:22px;color:#2b2b2b;padding:8px 24px;"'
_PARAGRAPH = (
    f"<tr><td {_STYLE}>Our workshop has been busy: the spring range is out, made in small runs by people we know by"
    " name, and each piece is repaired for free for as long as you own it. Reply to this letter and a person answers."
    "</td></tr>\n"
)
#: Escaping, an if, a loop over structs, a filter.
HTML = (
    '<!doctype html><html><body><table role="presentation" width="100%">\n'
    f"<tr><td {_STYLE}>Hello {{{{ customer.first_name }}}} {{{{ customer.last_name }}}},</td></tr>\n"
    + _PARAGRAPH
    * 8
    + "{% if customer.loyalty_points >= 500 %}<tr><td>You are one of our <b>best</b> customers with"
    " {{ customer.loyalty_points }} points.</td></tr>{% else %}<tr><td>Join the club.</td></tr>{% endif %}\n"
    "{% for order in customer.recent_orders %}<tr><td " + _STYLE + ">{{ loop.index }}. {{ order.item }}"
    ' ({{ order.order_id }})</td><td align="right">{{ order.total }} {{ order.currency }}</td></tr>\n{% endfor %}'
    + _PARAGRAPH * 18
    + "<tr><td>Sent to {{ customer.email|lower }}</td></tr></table></body></html>\n"
)
SUBJECT = "{{ customer.first_name }}, the spring range is out"
TEXT = (
    "Hello {{ customer.first_name }}, the spring range is out. Your points: {{ customer.loyalty_points }}.\n"
)
SMS = (
    "Hi {{ customer.first_name }}, the spring range is out. You have {{ customer.loyalty_points }} points,"
    " spend them at shop.example.org/s/{{ customer.customer_id }} Reply STOP to end."
)
_EMAIL_FILES = {
    "email/subject.en.txt.j2": SUBJECT,
    "email/html.en.html.j2": HTML,
    "email/text.en.txt.j2": TEXT,
}


def _campaign(campaign_id: str, channel: str, templates: dict[str, str], **keys: Any) -> Campaign:
    content = {
        "campaign_id": campaign_id,
        "name": "Bench",
        "default_locale": "en",
        "channels": [channel],
        "templates": templates,
    }
    return Campaign.model_validate({**content, **keys})


#: The scheduled campaign of each channel, with the rules of the demo's; and what a trigger sends.
SCHEDULED: dict[str, Campaign] = {
    channel: _campaign(
        f"bench_{channel}",
        channel,
        templates,
        topic="marketing",
        kind="scheduled",
        audience={"where": "array_contains(segments, 'loyal')"},
    )
    for channel, templates in (("email", _EMAIL_FILES), ("sms", {"sms/text.en.txt.j2": SMS}))
}
TRIGGERED = _campaign(
    "bench_trigger",
    "email",
    _EMAIL_FILES,
    topic="reminders",
    kind="triggered",
    trigger={"explicit": True},
    data={"plan": "string"},
)

#: Of each ten customers of `bench.population`, the one who said no to (channel, topic).
_SAID_NO = {("email", "marketing"): 0, ("email", "reminders"): 1, ("sms", "marketing"): 2}

_FIRST = ("Ada", "Grace", "Zoë", "Jürgen", "Noor", "Anne-Marie", "Li", "Søren", "D'Arcy", "Amélie")
_LAST = ("Hopper", "O'Neill", "Müller", "Smith & Sons", "Wei", "Ørsted", "Nkemelu")
_ITEMS = ("Teapot", "Wool blanket", "Desk lamp", "Mug <blue>", "Notebook", "Rain jacket", "Bread knife")


def customers_for(messages: int, channel: str) -> int:
    """How many customers there must be for so many messages of the scheduled campaign."""
    tens, more = divmod(messages, 9)
    return 10 * tens + more + (1 if more > _SAID_NO[channel, "marketing"] else 0)


def consents_to_reminders(number: int) -> bool:
    """Whether customer `c-{number}` may be sent the triggered email."""
    return number % 10 != _SAID_NO["email", "reminders"]


def audience(spark: SparkSession, customers: int) -> DataFrame:
    """Grain: one row per customer, in the columns of the table; names to escape, three orders each."""
    number = F.substring("customer_id", 3, 12).cast("long")
    order = "struct<order_id string, total double, currency string, item string, ordered_at timestamp>"
    orders = F.array(*[_order(number, place).cast(order) for place in range(3)])
    made = {
        "first_name": _pick(number, _FIRST),
        "last_name": _pick(number, _LAST),
        "recent_orders": orders,
    }
    return population(spark, customers).withColumns(made)


def _order(number: Column, place: int) -> Column:
    return F.struct(
        F.concat(F.lit("o-"), number, F.lit(f"-{place}")).alias("order_id"),
        ((number * (place + 3) % 19_000 + 500) / 100).alias("total"),
        F.lit("EUR").alias("currency"),
        _pick(number + place, _ITEMS).alias("item"),
        F.timestamp_seconds(1_750_000_000 - number % 1_000_000).alias("ordered_at"),
    )


def _pick(number: Column, among: tuple[str, ...]) -> Column:
    return F.element_at(F.array(*map(F.lit, among)), (number % len(among) + 1).cast("int"))
