"""A job as a process of the bench, started as a user starts it: `with RunningJob("send_triggered", …) as job`.

Invariant: the job never outlives the bench: it is on the leash that the embedded servers are on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_ROOT = Path(__file__).resolve().parent.parent
_LEASH = _ROOT / "embedded" / "leash.py"


class JobFailedError(Exception):
    """The job ended by itself, with another code than 0."""


class RunningJob:
    """One spark-submit.sh; asked to end, as by its operator, at the end of the block."""

    def __init__(self, job: str, environment: Mapping[str, str], log: Path, *arguments: str) -> None:
        self._command = [str(_ROOT / "spark-submit.sh"), job, *(["--", *arguments] if arguments else [])]
        self._environment = dict(environment)
        self.log = log

    def __enter__(self) -> RunningJob:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            assert self._process.stdin is not None
            self._process.stdin.close()  # which kills it
            self._process.wait()

    @property
    def pid(self) -> int:
        """The root of its tree of processes."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Raises `JobFailedError` when it has ended badly."""
        code = self._process.poll()
        if code not in (None, 0):
            raise JobFailedError(f"{self._command[1]} ended with code {code}; its log: {self.log}")
        return code is None
