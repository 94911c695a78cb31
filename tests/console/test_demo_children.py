"""The demo's programs: none is left behind, and one that fails says where to look."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pytest

from console.demo_children import Children, DemoError

PYTHON = sys.executable


def test_what_still_runs_when_the_demo_is_interrupted_is_ended(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path, pids)
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def interrupted(folder: Path, pids: list[int]) -> None:
    """Ctrl-C while two programs run."""
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with Children(folder, os.environ, folder / "logs") as children:
        for name in ("one", "two"):
            children.start(name, [PYTHON, "-c", program])
            pids.append(int(first_line(folder / "logs" / f"{name}.log")))
        raise KeyboardInterrupt


def test_one_that_fails_is_named_with_its_last_line_and_its_log(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ, tmp_path / "logs") as children:
        children.start("good", [PYTHON, "-c", "pass"])
        children.start("bad", [PYTHON, "-c", "print('first'); print('no audience'); raise SystemExit(5)"])
        log = re.escape(str(tmp_path / "logs" / "bad.log"))
        with pytest.raises(
            DemoError, match=rf"^bad ended with exit code 5: no audience \(whole log: {log}\)$"
        ):
            children.finish("good", "bad")


def test_the_input_of_a_program_ends_when_its_end_is_waited_for(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ, tmp_path / "logs") as children:
        children.start("reader", [PYTHON, "-c", "import sys; sys.stdin.read(); print('ended')"])
        children.start("other", [PYTHON, "-c", "pass"])
        children.finish("other")
        assert (tmp_path / "logs" / "reader.log").read_text() == ""
        children.finish("reader")
    assert (tmp_path / "logs" / "reader.log").read_text() == "ended\n"


def first_line(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not (line := path.read_text()).endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return line.strip()
