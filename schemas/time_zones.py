"""The time zones Carillon knows: names of the IANA database that Java 17 and Python's tzdata both have.

Invariant: every name here is valid to Spark, which fails a whole job for one name that it does not know. A zone that
is not listed counts as unknown, and the campaign's default is used in its place.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def known_time_zones() -> frozenset[str]:
    """The names, such as Europe/Vienna; case counts."""
    return frozenset(resources.files("schemas").joinpath("time_zones.txt").read_text("utf-8").split())
