"""Rules in the short words in which the record of a decision, and so `carillon explain`, tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def cap_in_words(cap: Mapping[str, Any], clock_of: str) -> str:
    """A frequency cap, such as 'cap 3/7d' or 'cap 1/day sms in Europe/Vienna'."""
    is_span = cap["per"] == "span"
    period = _span(cap["seconds"]) if is_span else cap["per"]
    told = f"cap {cap['at_most']}/{period}" + (f" {cap['channel']}" if cap["channel"] else "")
    return told if is_span else f"{told} in {clock_of}"


def _span(seconds: int) -> str:
    """7d, 36h, 90min or 45s."""
    for unit, letters in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letters}"
    return f"{seconds}s"
