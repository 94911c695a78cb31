"""The templates and rows of `bench.render`: invented, sized like real campaigns.

The same rows for every engine; batches of 2,000. Does not measure.
"""

# ruff: noqa: E501 - a template reads best unbroken
from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import dataclass
from random import Random

import pyarrow as pa

CUSTOMER = pa.struct(
    [
        ("customer_id", pa.string()), ("email", pa.string()), ("first_name", pa.string()), ("last_name", pa.string()),
        ("locale", pa.string()), ("time_zone", pa.string()), ("country", pa.string()), ("birth_date", pa.date32()),
        ("signup_at", pa.timestamp("us", "UTC")), ("lifetime_value", pa.decimal128(12, 2)),
        ("loyalty_points", pa.int64()), ("segments", pa.list_(pa.string())),
        ("recent_orders", pa.list_(pa.struct([
            ("order_id", pa.string()), ("total", pa.float64()), ("currency", pa.string()), ("item", pa.string()),
            ("ordered_at", pa.timestamp("us", "UTC")),
        ]))),
    ]
)  # fmt: skip
SCHEMA = pa.schema(
    [
        ("customer", CUSTOMER),
        (
            "trigger",
            pa.struct([("order_id", pa.string()), ("carrier", pa.string()), ("total", pa.float64())]),
        ),
        (
            "message",
            pa.struct([("message_id", pa.string()), ("locale", pa.string()), ("channel", pa.string())]),
        ),
        ("campaign", pa.struct([("campaign_id", pa.string()), ("topic", pa.string())])),
    ]
)
_FIRST = ("Ada", "Grace", "Zoë", "Jürgen", "Noor", "Anne-Marie", "Li", "Søren", "D'Arcy", "Amélie")
_LAST = (
    "Lovelace",
    "Hopper",
    "O'Neill",
    "Müller",
    "Haddad",
    "Smith & Sons",
    "Wei",
    "Ørsted",
    "Dupont",
    "Nkemelu",
)
_ITEMS = ("Teapot", "Wool blanket", "Desk lamp", "Mug <blue>", "Notebook", "Rain jacket", "Bread knife")


def rows(count: int, seed: int = 7) -> pa.RecordBatch:
    """Invented recipients."""
    r = Random(seed)
    start = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
    made = []
    for i in range(count):
        orders = [
            {"order_id": f"o-{i}-{k}", "total": r.randint(500, 20000) / 100, "currency": "EUR", "item": r.choice(_ITEMS),
             "ordered_at": start + dt.timedelta(minutes=r.randint(0, 400_000))}
            for k in range(3)
        ]  # fmt: skip
        customer = {
            "customer_id": f"c-{i:07}", "email": f"person{i}@example.org", "first_name": r.choice(_FIRST),
            "last_name": r.choice(_LAST), "locale": "en", "time_zone": "Europe/Vienna", "country": "AT",
            "birth_date": dt.date(r.randint(1950, 2004), r.randint(1, 12), r.randint(1, 28)),
            "signup_at": start + dt.timedelta(minutes=r.randint(0, 400_000)),
            "lifetime_value": decimal.Decimal(r.randint(0, 900_000)).scaleb(-2), "loyalty_points": r.randint(0, 5000),
            "segments": r.sample(["vip", "new", "b2b", "club"], r.randint(0, 3)), "recent_orders": orders,
        }  # fmt: skip
        made.append({
            "customer": customer,
            "trigger": {"order_id": f"o-{i}", "carrier": r.choice(("Blue Van", "Post & Co")), "total": r.randint(100, 9999) / 100},
            "message": {"message_id": f"m-{i:08}", "locale": "en", "channel": "email"},
            "campaign": {"campaign_id": "spring", "topic": "marketing"},
        })  # fmt: skip
    return pa.RecordBatch.from_pylist(made, schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class Case:
    """One template of the bench; `vectorised` says whether the tenfold target applies."""

    name: str
    sources: dict[str, str]
    html: bool
    vectorised: bool


_STYLE = 'style="font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:22px;color:#2b2b2b;padding:8px 24px;"'
_PARAGRAPH = (
    f"<tr><td {_STYLE}>Our workshop has been busy: the spring range is out, made in small runs by people we know by"
    " name, and each piece is repaired for free for as long as you own it. Reply to this letter and a person answers."
    "</td></tr>\n"
)

_SMS = (
    "Hi {{ customer.first_name }}, your order {{ trigger.order_id }} comes today with {{ trigger.carrier }}."
    " Not in? shop.example.org/d/{{ trigger.order_id }} Reply STOP to end."
)
_PUSH = (
    "{{ customer.first_name|upper }}: {% if customer.loyalty_points >= 1000 %}{{ customer.loyalty_points }} points are"
    " waiting{% else %}see what is new{% endif %}. Order {{ trigger.order_id }} {{ trigger.total }} EUR"
)
_EMAIL = (
    '<!doctype html><html><body><table role="presentation" width="100%">\n'
    f"<tr><td {_STYLE}>Hello {{{{ customer.first_name }}}} {{{{ customer.last_name }}}},</td></tr>\n"
    + _PARAGRAPH
    * 9
    + "{% if 'vip' in customer.segments %}<tr><td>You are one of our <b>best</b> customers with"
    " {{ customer.loyalty_points }} points.</td></tr>{% else %}<tr><td>Join the club.</td></tr>{% endif %}\n"
    "{% for order in customer.recent_orders %}<tr><td " + _STYLE + ">{{ loop.index }}. {{ order.item }}"
    ' ({{ order.order_id }})</td><td align="right">{{ order.total }} {{ order.currency }}</td></tr>\n{% endfor %}'
    + _PARAGRAPH * 19
    + "<tr><td>Sent to {{ customer.email|lower }}, order {{ trigger.order_id }}</td></tr></table></body></html>\n"
)
_LAYOUT = (
    "<!doctype html><html><head><title>{% block title %}Fernhill{% endblock %}</title></head><body><table>\n"
    + _PARAGRAPH * 4
    + "{% block content %}{% endblock %}\n"
    + _PARAGRAPH * 4
    + "<tr><td>{% trans name=customer.first_name %}Goodbye, {{ name }}{% endtrans %}</td></tr></table></body></html>"
)
_PIECES = (
    "{% macro row(label, value, bold=false) %}<tr><td>{{ label }}</td><td>{% if bold %}<b>{{ value }}</b>{% else %}"
    "{{ value }}{% endif %}</td></tr>{% endmacro %}"
    '{% macro card(title) %}<table class="card"><tr><th>{{ title }}</th></tr>{{ caller() }}</table>{% endmacro %}'
)
_COMPOSED = (
    '{% extends "layout" %}{% from "pieces" import row, card %}'
    "{% block title %}{{ super() }}: order {{ trigger.order_id }}{% endblock %}"
    "{% block content %}{% trans n=customer.recent_orders|length %}One order, {{ n }}{% pluralize %}{{ n }} orders"
    "{% endtrans %}\n{% call card('Your orders') %}{% for o in customer.recent_orders %}"
    "{{ row(o.item, o.total ~ ' ' ~ o.currency, loop.first) }}\n{% endfor %}{% endcall %}"
    "{{ row('Points', customer.loyalty_points) }}{{ row('Name', customer.last_name|upper) }}{% endblock %}"
)
_HALF = (
    "<p>Hello {{ customer.first_name }},</p>"
    + _PARAGRAPH
    + "{% for o in customer.recent_orders|sort(attribute='total') %}<li>{{ o.item }} {{ o.total }}</li>{% endfor %}"
    "{{ customer.last_name|center(20) }}{% if customer.loyalty_points > 100 %}{{ customer.loyalty_points }} points"
    "{% endif %}{{ customer.segments|unique|join(', ') }}{{ trigger.order_id }} {{ trigger.carrier }}"
    + _PARAGRAPH
)
_ROW_WISE = (
    "{% for o in customer.recent_orders|sort(attribute='total') %}{% if loop.index > 2 %}{% break %}{% endif %}"
    "<li>{{ o.item|center(20) }} {{ o.total|string|indent(2) }}</li>{% endfor %}"
    "{% for s in customer.segments|sort|batch(2) %}{{ s|join('+') }};{% endfor %}"
    "{{ customer.last_name|center(20) }}{{ customer.first_name|indent(2) }}"
)

CASES: tuple[Case, ...] = (
    Case("sms", {"t": _SMS}, False, True),
    Case("push", {"t": _PUSH}, False, True),
    Case("email_loop", {"t": _EMAIL}, True, True),
    Case("email_composed", {"t": _COMPOSED, "layout": _LAYOUT, "pieces": _PIECES}, True, True),
    Case("half_fallback", {"t": _HALF}, True, False),
    Case("row_wise", {"t": _ROW_WISE}, True, False),
)
