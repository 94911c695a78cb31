"""`python -m embedded.jars` where nothing can be written, and when it is interrupted: one line, no trace."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conf.spark import class_archive, connectors_dir, log_store_jar
from embedded import class_archive as archives
from embedded import jars
from embedded.java import java_command


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that looks complete, with a blank in its name."""
    cache = tmp_path / "a cache"
    monkeypatch.setenv("CARILLON_CACHE", str(cache))
    for path in (connectors_dir() / "delta.jar", connectors_dir() / "manifest.json", log_store_jar()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return cache


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache"
    done = subprocess.run(
        [sys.executable, "-m", "embedded.jars"],
        env={**os.environ, "CARILLON_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"carillon: {cache}/tmp: Not a directory. The cache is {cache}: set CARILLON_CACHE to a folder that can be "
        "written\n"
    )


def test_an_interrupt_has_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jars, "ensure_all", interrupted)
    assert jars.main() == 130


def test_an_archive_in_a_cache_that_cannot_be_written_is_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = class_archive(connectors_dir(), log_store_jar())
    archive.parent.mkdir(parents=True)
    archive.touch()
    version = subprocess.run([java_command(), "-version"], capture_output=True, text=True).stderr
    archive.with_suffix(".java").write_text(version)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    assert archives.ensure_class_archive() == archive
    assert archive.is_relative_to(cache)


def test_an_archive_that_cannot_be_made_costs_speed_only(cache: Path) -> None:
    (cache / "classes").touch()
    said: list[str] = []
    assert archives.ensure_class_archive(said.append) is None
    assert "not made, jobs start as slowly as before: " in said[-1]


def test_a_blank_in_the_path_does_not_split_the_option(cache: Path) -> None:
    target = cache / "x.jsa"
    command = archives._training_command(target, "scratch")
    (options,) = [one for one in command if one.startswith("spark.driver.defaultJavaOptions=")]
    assert f"-XX:ArchiveClassesAtExit={target}" in shlex.split(options.partition("=")[2])
