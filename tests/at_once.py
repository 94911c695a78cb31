"""Two at once: calls that start together, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


def at_once(*calls: Callable[[], _Result]) -> list[_Result]:
    """What the calls return; raises what one of them raised."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], _Result]) -> _Result:
        gate.wait(60.0)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
