"""Generated templates over generated rows: both engines against real Jinja2, text and errors, row by row."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipelines.render.differential import differences
from tests.pipelines.render.grammar import case

# 5,000 in CI, the same ones each time: `make fuzz` covers new ground.
_CASES = 5000


@settings(
    max_examples=_CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**40), budget=st.integers(2, 30))
def test_generated_templates_render_as_jinja2_renders_them(seed: int, budget: int) -> None:
    template, batch, html = case(Random(seed), budget)
    assert differences({"t": template}, "t", batch, html=html) == []


@pytest.mark.parametrize(
    "seed", [11, 19, 88, 135, 220, 656, 980, 1931, 9053, 1000122, 1001419, 1003547, 5004430]
)
def test_templates_that_once_differed(seed: int) -> None:
    template, batch, html = case(Random(seed))
    assert differences({"t": template}, "t", batch, html=html) == []
