"""Files of JSON Lines that people bring: one record a line.

Invariant: a line keeps its number in the file, by which it is named when it cannot be used, and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line) of each line that is not blank, without its end."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            stripped = line.rstrip(b"\r\n")
            if stripped.strip():
                yield number, stripped
