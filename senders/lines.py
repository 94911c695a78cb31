"""A JSON-lines file that can be taken back to an earlier size.

Invariant: after `rewind(size)` the file holds exactly its first `size` bytes; lines are whole and UTF-8.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class JsonLines:
    """Appends one JSON object a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.name = path.name
        self._file = path.open("ab")

    def append(self, line: Mapping[str, Any]) -> None:
        """Buffer one line; `flush` hands it to the operating system."""
        self._file.write(
            json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        )

    def flush(self) -> int:
        """Hand all lines to the operating system; the file's size then."""
        self._file.flush()
        return self._file.tell()

    def rewind(self, size: int) -> None:
        """Forget everything after the first `size` bytes: lines of a chunk that was never committed."""
        self._file.flush()
        if os.fstat(self._file.fileno()).st_size > size:
            self._file.truncate(size)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
