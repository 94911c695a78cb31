"""Beside a demo that runs no other one touches its output, and its jobs run here whatever the shell has exported."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.demo_children import DemoError
from console.demo_lock import LOCK
from console.demo_run import DemoRun, job_environment


class NoServers:
    def __init__(self) -> None:
        raise RuntimeError("servers are started")


@pytest.fixture(autouse=True)
def _no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.servers.EmbeddedServers", NoServers)


def test_the_output_of_a_demo_that_runs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("of the first")
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DemoError, match=f"another demo is writing to {tmp_path}: .*--out") as caught:
            DemoRun(100, tmp_path, 1).run()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "summary.json").read_text() == "of the first"
    # It ends with the one that holds it, however that ends.
    with pytest.raises(RuntimeError, match="servers are started"):
        DemoRun(100, tmp_path, 1).run()
    assert not (tmp_path / "summary.json").exists()


def test_a_demo_that_was_killed_leaves_no_lock_behind(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\nfrom console.demo_lock import alone_in\n"
        "with alone_in(pathlib.Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == -9
    with pytest.raises(RuntimeError, match="servers are started"):
        DemoRun(100, tmp_path, 1).run()


def test_the_jobs_run_here_with_the_spark_of_this_environment() -> None:
    exported = {
        "MASTER": "yarn",
        "DEPLOY_MODE": "cluster",
        "SPARK_HOME": "/opt/spark",
        "CARILLON_ENV": "production",
    }
    environment = job_environment({**os.environ, **exported}, {"CARILLON_LAKE__ROOT": "s3a://demo/lake"})
    assert not exported.keys() & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["CARILLON_LAKE__ROOT"] == "s3a://demo/lake"
