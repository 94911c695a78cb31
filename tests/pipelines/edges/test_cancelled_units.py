"""A cancelled unit on a real broker: its marker ends it for everybody, whoever asks and whenever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.edges import publisher as publishing
from pipelines.edges.progress import FencedError, MarkerKey, Position, read_position
from pipelines.edges.publisher import (
    PartitionPublisher,
    PublishTarget,
    UnitCancelledError,
    cancel_unit,
    publish_chunk,
)
from tests.pipelines.edges.test_publisher import chunk, key, seen, target

__all__ = ["key", "target"]  # fixtures


def test_a_cancelled_unit_publishes_no_later_chunk_and_still_knows_the_earlier_ones(
    target: PublishTarget, key: MarkerKey
) -> None:
    assert publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    assert cancel_unit(target, key, 0) == Position(0, 0)
    # Another worker, which knows only the marker, and asks again and again.
    publishing._alive.clear()
    assert cancel_unit(target, key, 0) == Position(0, 0)
    assert not publish_chunk(target, key, Position(0, 0), chunk(key, "a"))
    for index in (1, 2):
        with pytest.raises(UnitCancelledError):
            publish_chunk(target, key, Position(0, index), chunk(key, "b"))
    found = read_position(target.client, key, target.progress_partitions, 40.0)
    assert (found, found.is_last) == (Position(0, 0), True)
    assert publish_chunk(target, key, Position(1, 0), chunk(key, "c"))
    assert sorted(seen(target, key)) == ["a", "c"]


def test_a_unit_cancelled_before_its_first_chunk(target: PublishTarget, key: MarkerKey) -> None:
    assert cancel_unit(target, key, 3) == Position(3, -1)
    publishing._alive.clear()
    with pytest.raises(UnitCancelledError):
        publish_chunk(target, key, Position(3, 0), chunk(key, "a"))
    assert not seen(target, key)


def test_whoever_was_publishing_cannot_go_on_after_a_cancellation(
    target: PublishTarget, key: MarkerKey
) -> None:
    """A worker that was taken for dead, and an older driver's: neither has heard of the cancellation."""
    younger = replace(key, term=2)
    zombie = PartitionPublisher(target, key)
    assert cancel_unit(target, younger, 0) == Position(0, -1)
    with pytest.raises(FencedError):
        zombie.publish(Position(0, 0), chunk(key, "zombie"))
    with pytest.raises(FencedError):
        publish_chunk(target, key, Position(0, 0), chunk(key, "older"))
    with pytest.raises(UnitCancelledError):
        publish_chunk(target, younger, Position(0, 0), chunk(key, "same"))
    assert not seen(target, key)
