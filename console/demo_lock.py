"""One demo at a time in an output folder: a second one would delete what the first is writing.

Invariant: the system takes the lock away when its process ends, however it ends; the file itself stays.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.demo_children import DemoError

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made when it is not there. DemoError when another demo holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"another demo is writing to {folder}: wait until it has ended, or give --out another folder."
            ) from None
        yield
