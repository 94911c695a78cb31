"""The form of addresses: what a vendor can be asked to send to, and nothing that it cannot."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.addresses import find_invalid_channels, is_email, is_phone, is_push_token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", True),
        ("ann.o'neil+tag@mail.example.org", True),
        ("jürgen@example.org", True),
        ("ann@bücher.example.org", True),
        ("ann", False),
        ("@example.org", False),
        ("ann@", False),
        ("ann@example..org", False),
        ("ann@@example.org", False),
        ("ann @example.org", False),
        ("ann@example.org\nBcc: all@example.org", False),
        ("Ann <ann@example.org>", False),
        ("a" * 65 + "@example.org", False),
        ("", False),
    ],
)
def test_email(text: str, expected: bool) -> None:
    assert is_email(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+12025550101", True),
        ("+431234567", True),
        ("+442079460000", True),
        ("+1 202 555 0101", False),
        ("+1-202-555-0101", False),
        ("+12025550101 ext. 5", False),
        ("tel:+12025550101", False),
        ("12025550101", False),
        ("0012025550101", False),
        ("+1202555010", False),
        ("+120255501011", False),
        ("+999123456789", False),
        ("+", False),
        ("+١٢٠٢٥٥٥٠١٠١", False),
        ("", False),
    ],
)
def test_phone(text: str, expected: bool) -> None:
    assert is_phone(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 8, True), ("a" * 4096, True), ("a" * 7, False), ("a" * 4097, False), ("token 12345", False)],
)
def test_push_token(text: str, expected: bool) -> None:
    assert is_push_token(text) is expected


def test_channels_of_a_batch_also_of_a_slice() -> None:
    rows = [
        {"email": "left out", "phone": "left out", "push_token": "x"},
        {"email": "ann@example.org", "phone": "+12025550101", "push_token": "token-12"},
        {"email": None, "phone": None, "push_token": None},
        {"email": "", "phone": " ", "push_token": "\t"},
        {"email": " ann@example.org", "phone": "+12025550101\n", "push_token": "token-12 "},
        {"email": "no", "phone": "no", "push_token": "no"},
    ]
    schema = pa.schema([(name, pa.string()) for name in ("email", "phone", "push_token")])
    batch = pa.RecordBatch.from_pylist(rows, schema=schema)
    (found,) = find_invalid_channels(iter([batch.slice(1)]))
    expected = [[], [], [], ["email", "sms", "push"], ["email", "sms", "push"]]
    assert found["invalid_channels"].to_pylist() == expected
    assert found.drop_columns(["invalid_channels"]).to_pylist() == rows[1:]
    (empty,) = find_invalid_channels(iter([batch.slice(0, 0)]))
    assert (empty.num_rows, empty.schema.names[-1]) == (0, "invalid_channels")
