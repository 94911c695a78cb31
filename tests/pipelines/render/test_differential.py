"""Generated templates over generated rows: both engines against real Jinja2, text and errors, row by row."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.pipelines.render.differential import differences
from tests.pipelines.render.grammar import case

# 5,000 in CI, the same ones each time: `make fuzz` covers new ground. A part is a process, one a core.
_PARTS = 4
_CASES_OF_A_PART = 1250


def _part(number: int) -> int:
    """One part's cases; a difference raises, with the template that shows it."""
    count = 0

    @seed(number)
    @settings(
        max_examples=_CASES_OF_A_PART,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(start=st.integers(0, 2**40), budget=st.integers(2, 30))
    def renders_as_jinja2(start: int, budget: int) -> None:
        nonlocal count
        count += 1
        template, batch, html = case(Random(start), budget)
        found = differences({"t": template}, "t", batch, html=html)
        assert found == [], f"seed {start}, budget {budget}, html={html}: {template}"

    renders_as_jinja2()
    return count


def test_generated_templates_render_as_jinja2_renders_them() -> None:
    # Fresh processes: a fork of this one would have its threads and sockets in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(_PARTS, os.cpu_count() or 1), context) as pool:
        counts = list(pool.map(_part, range(_PARTS)))
    assert min(counts) >= _CASES_OF_A_PART


@pytest.mark.parametrize(
    "seed", [11, 19, 88, 135, 220, 656, 980, 1931, 9053, 1000122, 1001419, 1003547, 5004430]
)
def test_templates_that_once_differed(seed: int) -> None:
    template, batch, html = case(Random(seed))
    assert differences({"t": template}, "t", batch, html=html) == []
