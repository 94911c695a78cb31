"""Decisions: every gate for everybody considered, recorded with its verdict."""

from pipelines.decide.decisions import Comparisons, decide, render_failures
from pipelines.decide.gates import GATES, Gate
from pipelines.decide.timing import HOLDS, Hold

__all__ = ["GATES", "HOLDS", "Comparisons", "Gate", "Hold", "decide", "render_failures"]
