"""The synthetic audience: same whatever the block, hard where real audiences are hard, nobody real."""

from __future__ import annotations

import re
from itertools import pairwise
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from examples.audience import EXTRACT_SCHEMA, customer_id, generate_audience, write_extract

CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def audience() -> pa.Table:
    return generate_audience(CUSTOMERS, seed=1)


def test_a_customer_does_not_depend_on_the_block_it_is_made_in(audience: pa.Table) -> None:
    block = generate_audience(100, seed=1, start=4_711)
    assert block.equals(audience.slice(4_711, 100))


def test_another_seed_is_another_audience(audience: pa.Table) -> None:
    other = generate_audience(1_000, seed=2)
    assert not other["first_name"].equals(audience["first_name"].slice(0, 1_000))


def test_ids_are_unique_and_numbered(audience: pa.Table) -> None:
    assert audience["customer_id"].to_pylist() == [customer_id(index) for index in range(CUSTOMERS)]


def test_no_contact_detail_can_belong_to_anybody(audience: pa.Table) -> None:
    emails = [email for email in audience["email"].to_pylist() if email and "@" in email]
    strangers = [email for email in emails if not re.search(r"(?i)@(.*\.)?example\.(org|com)$|@$", email)]
    assert strangers == []
    phones = [phone for phone in audience["phone"].to_pylist() if phone and re.fullmatch(r"\+\d{11}", phone)]
    assert len(phones) > CUSTOMERS / 2
    assert [phone for phone in phones if not re.fullmatch(r"\+1[2-9]\d\d55501\d\d", phone)] == []


def test_valid_addresses_are_unique(audience: pa.Table) -> None:
    emails = [email for email in audience["email"].to_pylist() if email and re.search(r"\d{9}@", email)]
    assert len(emails) == len({email.lower() for email in emails})


def test_every_time_zone_exists(audience: pa.Table) -> None:
    zones = set(audience["time_zone"].to_pylist()) - {None}
    assert {"Asia/Kathmandu", "Australia/Lord_Howe"} <= zones
    assert all(ZoneInfo(zone) for zone in zones)


@pytest.mark.parametrize("column", [name for name in EXTRACT_SCHEMA.names if name != "customer_id"])
def test_every_column_has_nulls_and_values(audience: pa.Table, column: str) -> None:
    nulls = audience[column].null_count
    if column in ("signup_at", "recent_orders"):
        assert nulls == 0
    else:
        assert 0 < nulls < CUSTOMERS


def test_hard_names_are_there(audience: pa.Table) -> None:
    names = set(audience["first_name"].to_pylist()) - {None}
    for sample in ("<", '"', "'", "🦄", "\u202e", "\r\n", "{{"):
        assert any(sample in name for name in names), sample
    assert max(len(name) for name in names) > 250


def test_orders_are_nested_with_the_latest_first(audience: pa.Table) -> None:
    orders = audience["recent_orders"].to_pylist()
    assert {len(list_) for list_ in orders} == set(range(6))
    ids = [order["order_id"] for list_ in orders for order in list_]
    assert len(ids) == len(set(ids))
    assert all(a["ordered_at"] >= b["ordered_at"] for list_ in orders for a, b in pairwise(list_))


def test_consents_are_withdrawn_per_channel_and_topic(audience: pa.Table) -> None:
    consents = pc.list_flatten(audience["consents"].combine_chunks()).to_pylist()
    withdrawn = {(consent["channel"], consent["topic"]) for consent in consents if not consent["granted"]}
    assert len(withdrawn) == 9
    assert sum(consent["granted"] for consent in consents) > 0.8 * len(consents)


def test_money_survives_the_raw_words(audience: pa.Table) -> None:
    values = [value for value in audience["lifetime_value"].to_pylist() if value is not None]
    assert min(values) == 0
    assert 400_000 < max(values) < 500_000
    assert all(value.as_tuple().exponent == -2 for value in values)


def test_the_extract_is_the_audience_in_files_and_row_groups(tmp_path: object, audience: pa.Table) -> None:
    heard: list[int] = []
    extract = write_extract(
        f"{tmp_path}/raw", 2_500, seed=1, rows_per_file=1_000, rows_per_group=400, progress=heard.append
    )
    assert [pq.ParquetFile(path).metadata.num_row_groups for path in extract.files] == [3, 3, 2]
    assert pa.concat_tables(pq.read_table(path) for path in extract.files).equals(audience.slice(0, 2_500))
    assert heard[-1] == extract.customers == 2_500
    assert extract.size_bytes > 0
