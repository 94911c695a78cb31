"""Decisions: every gate for everybody considered, recorded with its verdict."""

from pipelines.decide.decisions import decide, render_failures
from pipelines.decide.gates import GATES, Gate

__all__ = ["GATES", "Gate", "decide", "render_failures"]
