"""Named points of a unit at which a drill may end or freeze the process; nothing happens unless a variable asks for it.

Also the clock, which a drill may let jump: `CARILLON_FAULT_CLOCK=SECONDS` is how far it is off.

Invariant: without `CARILLON_FAULT` a point costs one comparison. With `CARILLON_FAULT=point:action:nth` the nth time
that a process reaches the point it does the action; with `CARILLON_FAULT_MARK=FILE` only the first process of all that
can create FILE does it, so that a retried task is not ended again, and FILE proves that the fault happened.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

#: In the order of a unit. The first two of a transaction are reached on workers, the others on the driver.
POINTS: tuple[str, ...] = (
    "after-manifest",
    "after-consents",
    "in-turn",
    "after-ledger",
    "after-holds",
    "before-publish",
    "mid-publish",
    "after-commit",
    "after-publish",
    "before-result",
    "after-result",
)
#: Reached within a publishing task: of a run on a Python worker, of an epoch on the driver.
WORKER_POINTS: tuple[str, ...] = ("mid-publish", "after-commit")
#: kill: this process. kill-job: the driver with its JVM, from wherever it is asked; on a cluster, from a worker, the
#: executor with its JVM. freeze: this process, until it is continued.
ACTIONS: tuple[str, ...] = ("kill", "kill-job", "freeze")

#: librdkafka sends in the background: a transaction is open on the broker only once it had this long.
_SENDING_S = 0.5

_reached: Counter[str] = Counter()


def parse(text: str) -> tuple[str, str, int]:
    """(point, action, nth) of `point:action:nth`; a fault that could never happen is refused."""
    parts = text.split(":")
    if len(parts) != 3 or parts[0] not in POINTS or parts[1] not in ACTIONS or not parts[2].isdigit():
        raise ValueError(
            f"CARILLON_FAULT is '{text}'; allowed is point:action:nth with a point of {', '.join(POINTS)} and an "
            f"action of {', '.join(ACTIONS)}. It is for drills only: unset it."
        )
    return parts[0], parts[1], int(parts[2])


_fault = parse(os.environ["CARILLON_FAULT"]) if os.environ.get("CARILLON_FAULT") else None


def parse_jump(text: str) -> timedelta:
    """How far the clock is off; what is no whole number of seconds is refused."""
    try:
        return timedelta(seconds=int(text))
    except ValueError:
        raise ValueError(
            f"CARILLON_FAULT_CLOCK is '{text}'; allowed are whole seconds, such as -7200. It is for drills only: "
            "unset it."
        ) from None


_jump = parse_jump(os.environ.get("CARILLON_FAULT_CLOCK", "0"))


def now() -> datetime:
    """The clock that units pin."""
    return datetime.now(timezone.utc) + _jump


def reach(point: str) -> None:
    """Pass this point, unless a drill wants otherwise."""
    if _fault is None or _fault[0] != point:
        return
    _reached[point] += 1
    if _reached[point] == _fault[2] and _claim():
        _act(_fault[1], point)


def _claim() -> bool:
    mark = os.environ.get("CARILLON_FAULT_MARK")
    if not mark:
        return True
    try:
        with Path(mark).open("x"):
            return True
    except FileExistsError:
        return False


def _act(action: str, point: str) -> None:
    if point in WORKER_POINTS:
        time.sleep(_SENDING_S)
    if action == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if action == "kill-job":
        os.kill(_jvm(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _jvm() -> int:
    """spark-submit's JVM starts the driver, and the daemon that forks the workers."""
    parent = os.getppid()
    if b"pyspark.worker" not in Path(f"/proc/{parent}/cmdline").read_bytes():
        return parent
    # The name, in parentheses, may hold blanks; the state and the parent's id follow it.
    return int(Path(f"/proc/{parent}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
