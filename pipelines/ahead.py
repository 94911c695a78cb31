"""Work that is one step ahead: the next item is made while the present one is used.

Invariant: the same items in the same order, each made once, one at a time; what making one raises is raised where that
item would have come. At most one item waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Iterate over `items`, which is asked for its next in a thread of its own. Ends with that thread, so that nobody
    asks `items` any more once the caller has given up."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as making:
        coming = making.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = making.submit(next, items, end)
            yield item  # type: ignore[misc] # `end` has no type of its own
