"""Decisions: every gate for everybody considered, recorded with its verdict."""

from pipelines.decide.decisions import Unit, decide
from pipelines.decide.gates import GATES, Gate
from pipelines.decide.timing import HOLDS, Hold

__all__ = ["GATES", "HOLDS", "Gate", "Hold", "Unit", "decide"]
