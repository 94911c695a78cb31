"""The mended value of a dead letter is held to what the stream reads, and nothing of it is shown."""

from __future__ import annotations

import pytest

from console.dead_letters import check_value
from pipelines.errors import InputError
from tests.builders import as_json, trigger

SECRET = b"ava@example.org"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (as_json(trigger(data=...))[:-1] + b',"data":{"%s":1,"%s":2}}' % (SECRET, SECRET), "a key twice"),
        (as_json(trigger(occurred_at=SECRET.decode())), "occurred_at: Input should be an RFC 3339 time"),
        (as_json(trigger(data={"x": SECRET.decode() * 100_000})), "bytes; allowed: 1,000,000"),
    ],
)
def test_it_is_refused(value: bytes, said: str) -> None:
    with pytest.raises(InputError, match=f"would be refused again: .*{said}") as caught:
        check_value("campaign.triggers", value)
    assert SECRET.decode() not in str(caught.value)
