"""How `carillon consume` shows records: no byte lost, whatever the value is."""

from __future__ import annotations

import base64
import json

import pytest

from console.consume import _json_line, _plain_line, describe


class FakeMessage:
    """Stands for confluent-kafka's message, which cannot be made by hand."""

    def __init__(self, value: bytes | None, key: bytes | None = b"k") -> None:
        self._value, self._key = value, key

    def topic(self) -> str:
        return "sms.send-batches"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return 5

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000

    def key(self) -> bytes | None:
        return self._key

    def headers(self) -> list[tuple[str, bytes | None]]:
        return [("ce_id", b"b-1"), ("raw", b"\xff"), ("none", None)]

    def value(self) -> bytes | None:
        return self._value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a":[1,"\xc3\xa9"]}', {"value": {"a": [1, "é"]}}),
        (b"null", {"value": None}),
        (b"plain", {"value_text": "plain"}),
        (b"NaN", {"value_text": "NaN"}),
        (b"", {"value_text": ""}),
        (b"[" * 100_000, {"value_text": "[" * 100_000}),
        (b"\xff\x00", {"value_base64": base64.b64encode(b"\xff\x00").decode()}),
        (None, {"value": None}),
    ],
)
def test_values(value: bytes | None, shown: dict[str, object]) -> None:
    record = describe(FakeMessage(value))
    assert {name: record[name] for name in record if name.startswith("value")} == shown
    assert json.loads(_json_line(record)) == record
    assert "\n" not in _plain_line(record)


def test_keys_and_headers() -> None:
    record = describe(FakeMessage(b"{}", key=b"\xff"))
    assert record["key_base64"] == "/w=="
    assert record["headers"] == {"ce_id": "b-1", "raw": "\\xff", "none": None}
    assert describe(FakeMessage(b"{}", key=None))["key"] is None


def test_the_line_for_people_is_short() -> None:
    line = _plain_line(describe(FakeMessage(b'"' + b"x" * 5_000 + b'"')))
    assert line.startswith("sms.send-batches 1:5 key=k ce_id=b-1")
    assert line.endswith("(5,002 characters)")
    assert len(line) < 400
