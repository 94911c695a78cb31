"""One server process: started on a leash, ready when it really answers, stopped in the way asked for.

Invariant: after stop(), kill() or the owner's death neither the server nor its leash is left. It knows no
server by name.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedded.errors import EmbeddedError

_LEASH = Path(__file__).with_name("leash.py")
_POLL_S = 0.05


class ServerProcess:
    """A command with a log file; may be started again after it ended."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ):
        self.name = name
        self.log = log
        self._command = [sys.executable, "-I", "-S", str(_LEASH), *command]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process exists (it may be paused)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start without waiting: see wait_until."""
        if self.running:
            raise EmbeddedError(f"{self.name} is running already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A session of its own: the terminal's Ctrl-C reaches the owner alone, which then stops servers
            # in order.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def wait_until(self, answers: Callable[[], bool], timeout_s: float) -> None:
        """Return once `answers` is true; raise with the log's last line when it ends or time is up."""
        deadline = time.monotonic() + timeout_s
        while not answers():
            if not self.running:
                raise EmbeddedError(
                    f"{self.name} ended while starting: {self._last_words()} (all of it: {self.log})"
                )
            if time.monotonic() > deadline:
                waited = f"does not answer after {timeout_s:.0f} s"
                raise EmbeddedError(f"{self.name} {waited}: {self._last_words()} (all of it: {self.log})")
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float = 20.0) -> None:
        """End it in its own order (SIGTERM); kill it when that takes too long. Harmless when not running."""
        process = self._process
        if process is not None and process.poll() is None:
            self.resume()
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """kill -9 for the server and its leash."""
        if self.running:
            self._signal_all(signal.SIGKILL)
        self._forget()

    def pause(self) -> None:
        """Freeze it: connections stay open and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo pause()."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._process = None

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it wrote nothing"


def free_port() -> int:
    """A loopback port nobody listens on now; the same port can be bound again after a restart."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            raise EmbeddedError(
                f"cannot listen on 127.0.0.1 ({error.strerror}): is the loopback interface up?"
            ) from error
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Whether something listens; the cheap first test before a real request."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
