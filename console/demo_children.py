"""The programs that the demo starts: several at a time, each with a log of its own.

Invariant: none outlives the `with` block, however it is left; one that fails is reported with its last line and the
place of its log. The standard input of each ends when the demo waits for its end, or dies.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType


class DemoError(Exception):
    """A program of the demo failed; the message says which and where its log is."""


class Children:
    """`with Children(…) as children:` then start() and, later, finish()."""

    def __init__(self, cwd: Path, environment: Mapping[str, str], logs: Path) -> None:
        self._cwd = cwd
        self._environment = dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.communicate()

    def start(self, name: str, command: list[str]) -> None:
        """Start a program beside those that run."""
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def finish(self, *names: str) -> None:
        """Wait for the ends of these; DemoError when one of them failed."""
        for name in names:
            self._running[name].communicate()
        for name in names:
            if code := self._running.pop(name).returncode:
                text = self._log(name).read_text(encoding="utf-8", errors="replace")
                last = " ".join(text.strip().splitlines()[-1:])
                raise DemoError(f"{name} ended with exit code {code}: {last} (whole log: {self._log(name)})")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"
