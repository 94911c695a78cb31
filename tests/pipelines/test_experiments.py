"""Variants: weights are kept, the same customer gets the same variant, campaigns do not copy each other."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

import pyarrow as pa

from pipelines.experiments import HOLDOUT_POINTS, assign_variants, cumulate, holdout_points

WEIGHTS = {"plain": 50, "question": 25, "gift": 25}
#: The 99.99th percentile of chi-square with two degrees of freedom; the ids are fixed, so is the outcome.
CHI_SQUARE_2_MAX = 18.42
#: The same with nine.
CHI_SQUARE_9_MAX = 33.72


CUSTOMERS = [f"cust-{number:09}" for number in range(20_000)]


def assigned(
    campaign: str, weights: dict[str, int], customers: list[str] = CUSTOMERS[:10_000]
) -> list[str | None]:
    variants = cumulate(weights)
    assert variants is not None
    campaigns = pa.repeat(campaign, len(customers))
    return list(assign_variants(variants, campaigns, pa.array(customers, pa.string())).to_pylist())


class Drawn(NamedTuple):
    customer: str
    one: int
    other: int
    variant: str | None


def chi_square(found: Counter[str | None], weights: dict[str, int]) -> float:
    total, share = found.total(), sum(weights.values())
    expected = {name: total * weight / share for name, weight in weights.items()}
    assert set(found) <= set(weights)
    return sum((found[name] - wanted) ** 2 / wanted for name, wanted in expected.items())


def test_assignment_follows_the_weights_is_sticky_and_independent_between_campaigns() -> None:
    first, again = assigned("win_back", WEIGHTS), assigned("win_back", WEIGHTS)
    other = assigned("letter", WEIGHTS)
    assert first == again
    assert chi_square(Counter(first), WEIGHTS) < CHI_SQUARE_2_MAX
    assert chi_square(Counter(other), WEIGHTS) < CHI_SQUARE_2_MAX
    # Of those who get 'plain' in one campaign, the other campaign's weights hold too.
    both = Counter(b for a, b in zip(first, other, strict=True) if a == "plain")
    assert chi_square(both, WEIGHTS) < CHI_SQUARE_2_MAX


def test_the_smallest_weights_are_kept_to_the_point() -> None:
    thirds = {"a": 1, "b": 1, "c": 1}
    assert chi_square(Counter(assigned("thirds", thirds)), thirds) < CHI_SQUARE_2_MAX


def test_a_variant_is_what_anybody_computes_from_the_hash() -> None:
    names = ["", "é🙂", "x" * 256, "c-1"]
    assert assigned("one", {"only": 10_000}, names) == ["only"] * 4
    drawn = [hashlib.md5(f"variant\x1fwin_back\x1f{name}".encode()).hexdigest() for name in names]
    points = [int(digest[:13], 16) % 100 for digest in drawn]
    expected = ["plain" if p < 50 else "question" if p < 75 else "gift" for p in points]
    assert assigned("win_back", WEIGHTS, names) == expected
    assert assigned("win_back", WEIGHTS, []) == []


def test_cumulate() -> None:
    assert cumulate({}) is None
    assert cumulate(WEIGHTS) == [("plain", 50), ("question", 75), ("gift", 100)]


def test_holdouts_are_uniform_sticky_and_independent_of_campaigns_and_variants() -> None:
    names = pa.array(CUSTOMERS)
    points = [
        holdout_points(pa.repeat(seed, len(names)), names).to_pylist() for seed in ("win_back", "letter")
    ]
    rows = [
        Drawn(*one) for one in zip(CUSTOMERS, *points, assigned("win_back", WEIGHTS, CUSTOMERS), strict=True)
    ]
    tenths = {str(n): 1 for n in range(10)}
    assert all(0 <= row.one < HOLDOUT_POINTS for row in rows)
    for drawn in points:
        found: Counter[str | None] = Counter(str(point * 10 // HOLDOUT_POINTS) for point in drawn)
        assert chi_square(found, tenths) < CHI_SQUARE_9_MAX
    held = [row for row in rows if row.one < 1_000]
    # Who is held out of one campaign is an even sample for another one, and of every variant.
    assert (
        chi_square(Counter(str(row.other * 10 // HOLDOUT_POINTS) for row in held), tenths) < CHI_SQUARE_9_MAX
    )
    assert chi_square(Counter(row.variant for row in held), WEIGHTS) < CHI_SQUARE_2_MAX
    # A smaller share is part of a larger one, so that a holdout can grow.
    assert {row.customer for row in rows if row.one < 500} < {row.customer for row in held}
