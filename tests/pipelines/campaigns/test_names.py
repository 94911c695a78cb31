"""Reads of names that nobody has are found; those that may exist are left alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.campaigns.names import unknown_names

SCHEMA = pa.schema(
    [
        ("customer", pa.struct([("first_name", pa.string()), ("home", pa.struct([("city", pa.string())]))])),
        ("message", pa.struct([("locale", pa.string())])),
    ]
)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ customer.fist_name }}", "customer.fist_name"),
        ("{{ customer['fist_name'] }}", "customer.fist_name"),
        ("{{ customer.home.town|upper }}", "customer.home.town"),
        ("{% for x in customer.orders %}{% endfor %}", "customer.orders"),
        ("{% if customer.vip %}{% endif %}", "customer.vip"),
        ("{% set a = customer.nope %}", "customer.nope"),
    ],
)
def test_found(source: str, found: str) -> None:
    assert [path for _, path, _ in unknown_names(source, SCHEMA)] == [found]


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.first_name }}{{ customer.home.city }}",
        "{{ customer.nope|default('x') }}",
        "{{ customer.nope.deep|d('x') }}",
        "{% if customer.nope is defined %}{{ customer.nope }}{% endif %}",
        "{{ customer.nope if customer.nope is defined else '' }}",
        "{% for customer in other %}{{ customer.nope }}{% endfor %}",
        "{% macro m(customer) %}{{ customer.nope }}{% endmacro %}",
        "{{ customer.first_name.upper() }}",
        "{{ customer.items() }}",
        "{{ customer[message.locale] }}",
        "{{ unknown.thing }}",
        "{% broken",
    ],
)
def test_left_alone(source: str) -> None:
    assert list(unknown_names(source, SCHEMA)) == []


def test_line_and_hint() -> None:
    assert list(unknown_names("\n\n{{ customer.fist_name }}", SCHEMA)) == [
        (3, "customer.fist_name", "Did you mean 'first_name'?")
    ]
