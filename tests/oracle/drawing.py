"""Values drawn by hypothesis, the same each time; nothing is shrunk, and no example is kept on the disk."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider


def draw_times(count: int, seed: int, add: Callable[[st.DataObject], None]) -> None:
    """Call `add` so many times, each time with data to draw from."""

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.seed(seed)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        add(data)

    # Now and then hypothesis draws a number that it has read in the source of some module of ours; which modules are
    # loaded depends on the tests that ran before.
    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None):
        collect()
