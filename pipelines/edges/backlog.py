"""What lay in the input topics when a stream was started.

Invariant: nothing is released before it is worked on. A refund, a withdrawn consent or an erasure that came while the
stream was down is among it, and ends the wait of messages that have fallen due meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.edges.bounds import Bounds

#: Topic → partition → the offset behind the last one that was worked on.
Reached = Mapping[str, Mapping[str, int]]


class Backlog:
    """`bounds` of the topics at the start; `reached` asks how far the stream has got."""

    def __init__(self, bounds: Mapping[str, Mapping[str, Bounds]], reached: Callable[[], Reached]) -> None:
        # Of a partition without records Spark may never say anything.
        self._left = {
            (topic, partition): bound.end
            for topic, partitions in bounds.items()
            for partition, bound in partitions.items()
            if bound.end > bound.first
        }
        self._reached = reached

    def is_worked_on(self) -> bool:
        """Whether all of it is; asks as long as it is not."""
        if self._left:
            reached = self._reached()
            self._left = {
                (topic, partition): end
                for (topic, partition), end in self._left.items()
                if reached.get(topic, {}).get(partition, 0) < end
            }
        return not self._left
