"""A disk is full, the checkpoint's or that of Spark's own files: a small file system that is mounted for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import TIMEOUT_S, DrillError, Trial

_PAGE = 4_096
FULL = "No space left on device"
#: What is left of the checkpoint's disk at each start. Beginning one takes six pages, and each epoch four.
_LEFT_BYTES = (5 * _PAGE, 5 * _PAGE, 3 * _PAGE)
#: Enough for a session, and not for a shuffle.
_LOCAL_BYTES = 24 * _PAGE


class SmallDisk:
    """A mounted file system of a megabyte, all but some bytes of which are taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leave(self, size: int) -> None:
        """From now on there is room for about `size` more bytes."""
        taken = self.folder / "taken"
        taken.unlink(missing_ok=True)
        free = os.statvfs(self.folder)
        with taken.open("wb") as file:
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - size)))

    def free(self) -> None:
        (self.folder / "taken").unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "carillon-drill", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        raise DrillError(f"a full disk takes the right to mount one: {done.stderr.strip()}. Run it as root.")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_checkpoint(stage: Stage, name: str) -> Outcome:
    """The checkpoint lies on a disk that is full at one moment, then at another; in the end there is room."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    with small_disk((stage.logs / f"{name}-disk").resolve()) as disk:
        trial.environment["CARILLON_STREAM__CHECKPOINT"] = (disk.folder / "checkpoint").as_uri()
        # Epochs enough that none of these lives is the last.
        trial.environment["CARILLON_STREAM__MAX_OFFSETS_PER_EPOCH"] = str(stage.customers // 16)
        for size in _LEFT_BYTES:
            disk.leave(size)
            _expect_full(trial, name)
        disk.free()
        trial.finish()
    return trial.judge()


def fill_local_disk(stage: Stage, name: str, kind: str) -> Outcome:
    """Spark's local folder lies on a disk that is full; then there is room."""
    trial = Trial(stage, kind, name)
    trial.feed()
    with small_disk((stage.logs / f"{name}-disk").resolve()) as disk:
        trial.environment["SPARK_LOCAL_DIRS"] = str(disk.folder)
        disk.leave(_LOCAL_BYTES)
        _expect_full(trial, name)
        del trial.environment["SPARK_LOCAL_DIRS"]
        trial.finish()
    return trial.judge()


def _expect_full(trial: Trial, name: str) -> None:
    job = trial.launch()
    if job.wait(TIMEOUT_S) == 0:
        raise DrillError(f"{name}: the disk was not full: {job.last_line()}")
    trial.expect_exit(job, 5, FULL)
    trial.disturbed()
