"""What must hold for a table before anybody may use it, as Great Expectations' expectations by name."""

from schemas.expectations.audience import AUDIENCE_EXPECTATIONS, Expectation, row_count_expectation

__all__ = ["AUDIENCE_EXPECTATIONS", "Expectation", "row_count_expectation"]
