"""The fuse of a campaign: at its limits, over several counts, and what it does not count."""

from __future__ import annotations

import pytest

from pipelines.fuse import FuseCounter
from tests.builders import make_campaign


def counter(percent: float = 20, messages: int = 10) -> FuseCounter:
    return FuseCounter(make_campaign(fuse={"percent": percent, "messages": messages}))


@pytest.mark.parametrize(
    ("published", "failed", "blows"),
    [
        (8, 1, False),
        (8, 2, False),
        (7, 3, True),
        (80, 20, False),
        (79, 21, True),
        (0, 9, False),
        (0, 10, True),
    ],
)
def test_it_blows_above_its_share_and_not_before_there_are_enough(
    published: int, failed: int, blows: bool
) -> None:
    assert (counter().add(published, {"render_type": failed}) is not None) == blows


def test_it_counts_over_several_units_and_says_why() -> None:
    fuse = counter()
    assert fuse.add(7, {"render_type": 1}) is None
    assert fuse.add(0, {"render_type": 1, "no_template": 1}) == (
        "3 of the last 10 messages failed (render_type 2, no_template 1), and its fuse allows 20 %"
    )
    # It has been told: counting begins anew.
    assert fuse.add(0, {"render_type": 9}) is None
    assert fuse.add(0, {"render_type": 1}) is not None


def test_what_was_sent_long_ago_does_not_hide_what_fails_now() -> None:
    fuse = counter()
    for _ in range(1_000):
        assert fuse.add(100, {}) is None
    assert any(fuse.add(0, {"render_undefined": 10}) for _ in range(4))


def test_what_is_not_the_campaigns_fault_does_not_count() -> None:
    assert counter().add(1, {"invalid_data": 50, "aborted": 50, "cancelled_run": 50}) is None


def test_100_percent_is_never() -> None:
    assert counter(percent=100).add(0, {"render_error": 1_000}) is None
