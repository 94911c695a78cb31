"""How far a run is, from a plan and markers."""

from __future__ import annotations

from pipelines.edges.advance import WINDOW_MS, Advance, measure
from pipelines.edges.markers import SeenMarker
from pipelines.edges.plans import Plan, PlanLine
from pipelines.edges.progress import Position

PLAN = Plan(
    messages_per_transaction=10,
    lines=(
        PlanLine("letter", "email", 0, 15),
        PlanLine("letter", "sms", 0, 10),
        PlanLine("letter", "email", 1, 100),
    ),
)


def marker(partition: int, chunk: int, at_s: float, *, unit: int = 0, is_last: bool = False) -> SeenMarker:
    return SeenMarker(partition, "run", Position(unit, chunk, is_last), int(at_s * 1000))


def test_before_the_first_marker_nothing_is_known_but_the_plan() -> None:
    assert measure(PLAN, []) == Advance(planned=125, published=0, rate=None)
    assert measure(PLAN, [marker(0, 0, 1, unit=1)]) == Advance(planned=125, published=0, rate=None)


def test_a_marker_vouches_for_its_chunk_and_all_before_it() -> None:
    advance = measure(PLAN, [marker(0, 0, 1), marker(0, 1, 2), marker(1, 3, 2)])
    assert (advance.published, advance.remaining) == (20 + 40, 65)
    # The last chunk of a send partition is smaller.
    assert measure(PLAN, [marker(0, 2, 1)]).published == 25


def test_a_cancelled_partition_has_published_what_lies_before() -> None:
    assert measure(PLAN, [marker(0, 0, 1), marker(0, 0, 2, is_last=True)]).published == 10
    assert measure(PLAN, [marker(1, -1, 2, is_last=True)]).published == 0


def test_the_rate_counts_what_was_seen_to_happen() -> None:
    # The first marker of a partition may stand for many that compaction took away.
    steps = [marker(1, 4, 10), marker(1, 5, 11), marker(1, 6, 12)]
    advance = measure(PLAN, steps)
    assert advance.rate == 20 / 2
    assert advance.eta_s == advance.remaining / 10
    assert advance.describe() == "70 of 125 published, 10/s, 6 s left"
    # The other partition's first marker comes later, and when its first chunk was done is not known either.
    assert measure(PLAN, [marker(1, 0, 10), marker(0, 1, 11), marker(1, 1, 12)]).rate == 10 / 2
    assert measure(PLAN, steps[:1]).rate is None
    assert measure(PLAN, steps[:1]).describe() == "50 of 125 published"


def test_the_rate_is_that_of_the_last_minute() -> None:
    late = WINDOW_MS / 1000 * 5
    steps = [marker(1, 0, 0), marker(1, 1, 1), marker(1, 2, late - 30), marker(1, 3, late)]
    assert measure(PLAN, steps).rate == 20 / 60
