"""scripts/check-machine.sh: each lack is one line that says what to do, with an exit code of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "check-machine.sh"
TOOLS = ("bash", "awk", "df", "dirname", "head", "sed")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder to use as PATH: the ordinary tools, this Python and a Java 17."""
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    write_program(tmp_path / "python3", f'exec {sys.executable} "$@"')
    write_java(tmp_path / "java", "17.0.15")
    return tmp_path


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def write_java(path: Path, version: str) -> None:
    write_program(path, f"""echo 'openjdk version "{version}" 2025-04-15' >&2""")


def check(machine: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    names = ("HOME", "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    environment = {**kept, "PATH": str(machine), **variables}
    return subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True)


def test_a_fit_machine_names_its_python(machine: Path) -> None:
    done = check(machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{machine}/python3\n"


def test_another_python_is_found_when_the_first_is_too_old(machine: Path) -> None:
    (machine / "python3").rename(machine / "python3.12")
    write_program(machine / "python3", "exit 1")
    assert check(machine).stdout == f"{machine}/python3.12\n"


@pytest.mark.parametrize("version", ["1.8.0_412", "11.0.2", "25"])
def test_a_wrong_java(machine: Path, version: str) -> None:
    write_java(machine / "java", version)
    assert_one_line(check(machine), 4, f"java is '{version}': set JAVA_HOME to a Java 17")


@pytest.mark.parametrize("script", ["exit 1", "echo 'Error: no JVM here' >&2; exit 1", "echo 'a java'"])
def test_a_java_that_does_not_work(machine: Path, script: str) -> None:
    write_program(machine / "java", script)
    assert_one_line(check(machine), 4, "java is 'not a working Java': set JAVA_HOME to a Java 17")


def test_no_java(machine: Path) -> None:
    (machine / "java").unlink()
    assert_one_line(check(machine), 4, "apt install openjdk-17-jre-headless")


def test_a_java_home_that_is_none(machine: Path) -> None:
    assert_one_line(check(machine, JAVA_HOME=str(machine)), 4, "which has no bin/java")


def test_no_fit_python(machine: Path) -> None:
    write_program(machine / "python3", "echo Python 3.9.1; exit 1")
    assert_one_line(check(machine), 3, "python3 is not one (Python 3.9.1): install it")


def test_a_full_disk(machine: Path) -> None:
    (machine / "df").unlink()
    write_program(machine / "df", "echo head; echo 'disk 9 8 1234 99% /'")
    scripts = machine / "clone" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(SCRIPT, scripts)
    command = ["bash", str(scripts / SCRIPT.name)]
    done = subprocess.run(command, env={"PATH": str(machine)}, capture_output=True, text=True)
    assert_one_line(done, 5, "1234 MB are free")


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
