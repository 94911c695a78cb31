"""The demo's summary: what counts as balanced, and how units add up. The demo itself is run by .ci/readme.py, whose
exit code is this verdict."""

from __future__ import annotations

from typing import Any

import pytest

from console.demo_summary import is_balanced, merge


def line(**changes: Any) -> dict[str, Any]:
    """A balanced line of the books, with `changes`."""
    return {
        "considered": 10,
        "sent": 6,
        "held": 1,
        "excluded": {"no_consent": 2},
        "failed": {"render_undefined": 1},
        "published": 6,
        **changes,
    }


def test_a_line_that_accounts_for_everybody_balances() -> None:
    assert is_balanced(line())


@pytest.mark.parametrize(
    "changes",
    [
        {"considered": 11},
        {"sent": 5},
        {"held": 0},
        {"excluded": {}},
        {"failed": {"render_undefined": 2}},
        {"published": 5},
        {"published": 7},
    ],
)
def test_any_number_that_is_off_shows(changes: dict[str, Any]) -> None:
    assert not is_balanced(line(**changes))


def test_units_add_up_by_channel_and_reason() -> None:
    channels: dict[str, Any] = {}
    merge(channels, "email", line())
    merge(channels, "email", line(excluded={"no_consent": 1, "no_address": 1}))
    merge(channels, "", line(sent=0, published=0, excluded={"unknown_campaign": 8}))

    assert channels["email"] == {
        "considered": 20,
        "sent": 12,
        "held": 2,
        "excluded": {"no_address": 1, "no_consent": 3},
        "failed": {"render_undefined": 2},
        "published": 12,
    }
    assert channels["none"]["excluded"] == {"unknown_campaign": 8}
    assert is_balanced(channels["email"])
