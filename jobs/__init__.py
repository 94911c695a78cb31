"""One module is one spark-submit: arguments at the door, pure functions behind it, `main() -> int`.

Invariant: it is imported before pyspark, in drivers and (by `jobs._daemon`) in local workers.
"""

import sys
from collections.abc import Sequence
from pathlib import Path


def without_zips(path: Sequence[str]) -> list[str]:
    """`sys.path` without the zips of an installed pyspark, `<pyspark>/python/lib/*.zip`. Spark puts them before the
    folder they were made from, and a process compiles what it imports from a zip: a second for each driver."""
    places = [Path(entry).resolve() for entry in path]
    libraries = {place / "pyspark" / "python" / "lib" for place in places}
    return [
        entry
        for entry, place in zip(path, places, strict=True)
        if place.suffix != ".zip" or place.parent not in libraries
    ]


sys.path[:] = without_zips(sys.path)
