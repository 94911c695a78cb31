"""One job as a process, started as a user starts it and ended as a drill wants it.

Invariant: `reap` leaves no process of the job behind, orphaned Python workers included: each carries the drill's tag in
its environment, and nothing else is ever ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from conf.spark import SHORT_JOB

ROOT = Path(__file__).resolve().parent.parent
TAG = "CARILLON_DRILL"


class Job:
    """A started spark-submit.sh."""

    def __init__(
        self, job: str, arguments: list[str], environment: Mapping[str, str], log: Path, tag: str
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._begin = log.stat().st_size if log.exists() else 0
        self.began = time.monotonic()
        self._tag = tag
        with log.open("ab") as out:
            # A session of its own: JVM and driver are one process group, which is killed as one.
            self._process = subprocess.Popen(
                [str(ROOT / "spark-submit.sh"), job, "--", *arguments],
                cwd=ROOT,
                env={"SPARK_SUBMIT_OPTIONS": SHORT_JOB, **environment, TAG: tag},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, or None when it still runs."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def hand(self, number: signal.Signals) -> None:
        """To the JVM alone, as spark-submit's caller would."""
        if self.running:
            self._process.send_signal(number)

    def _hand_all(self, number: signal.Signals) -> None:
        """To JVM and driver; Python workers are a group of their own and hear of it from the JVM's end."""
        if self.running:
            os.killpg(self._process.pid, number)

    def kill(self) -> bool:
        """kill -9 of JVM and driver; whether it still ran."""
        was_running = self.running
        self._hand_all(signal.SIGKILL)
        self._process.wait()
        return was_running

    def resume(self) -> None:
        """Wake up whatever of it is frozen, workers too."""
        for pid in tagged_processes(self._tag):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_worker(self, pid: int) -> bool:
        """kill -9 of one Python worker; whether it was still there."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def workers(self) -> list[int]:
        """The Python workers: what the daemon has forked that was started for them."""
        tagged = tagged_processes(self._tag)
        daemons = {pid for pid in tagged if "pyspark.worker" in _command(pid)}
        return [pid for pid in tagged if _parent(pid) in daemons]

    def said(self) -> str:
        """What it has written since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def last_line(self) -> str:
        lines = [line for line in self.said().splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


def reap(tag: str, patience_s: float = 5.0) -> int:
    """End every process that carries the tag; how many were still there after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while (left := tagged_processes(tag)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(left)


def tagged_processes(tag: str) -> list[int]:
    """The processes of this machine that were started with the tag and have not ended."""
    wanted = f"{TAG}={tag}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
