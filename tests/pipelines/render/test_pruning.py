"""Which fields of a variable a template can read: in doubt all of them."""

from __future__ import annotations

import pytest

from pipelines.render import compile_template

#: What helpers take of every customer.
ALWAYS = {"customer_id", "locale", "time_zone"}


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("plain", set()),
        ("{{ customer.first_name }}{{ customer['last_name'] }}", {"first_name", "last_name"}),
        ("{% for o in customer.recent_orders %}{{ o.item }}{% endfor %}", {"recent_orders"}),
        ("{{ customer.segments[0] }}", {"segments"}),
        ("{% include 'other' %}", {"country"}),
        ("{% extends 'other' %}", {"country"}),
    ],
)
def test_fields_that_are_named(template: str, fields: set[str]) -> None:
    sources = {"one": template, "other": "{{ customer.country }}"}
    assert compile_template("one", sources, html=False).fields_of("customer") == frozenset(fields | ALWAYS)


@pytest.mark.parametrize(
    "template",
    [
        "{{ customer }}",
        "{{ customer|tojson }}",
        "{{ customer[campaign.name] }}",
        "{{ customer.get('email') }}",
        "{{ customer|attr('email') }}",
        "{% for name in customer %}{{ name }}{% endfor %}",
        "{% set one = customer %}{{ one.email }}",
        "{% with one = customer %}{{ one.email }}{% endwith %}",
        "{% macro of(one) %}{{ one.email }}{% endmacro %}{{ of(customer) }}",
        "{{ [customer]|map(attribute='email')|join }}",
        "{% for one in [customer] %}{{ one.email }}{% endfor %}",
        "{{ (customer or campaign).name }}",
        "{% if customer is defined %}x{% endif %}",
    ],
)
def test_a_variable_that_is_used_as_a_whole(template: str) -> None:
    assert compile_template("one", {"one": template}, html=False).fields_of("customer") is None
