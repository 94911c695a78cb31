"""The entry of the command line: quick to start, one line for a user's mistake, a trace for a bug."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from console import main as entry
from embedded import EmbeddedError

HEAVY = ("pyspark", "pyarrow", "pandas", "boto3", "confluent_kafka", "great_expectations", "moto")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from console.main import make_app; make_app(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_command_has_a_line_of_help() -> None:
    app = entry.make_app()
    assert [
        command.name for command in app.registered_commands if not (command.callback or app).__doc__
    ] == []


def test_a_users_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "make_app", lambda: fail_with(EmbeddedError("no Java found: install it")))
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "carillon: no Java found: install it\n"


def test_a_bug_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "make_app", lambda: fail_with(KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        entry.main()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("suppress", "{}/missing.jsonl"), "carillon: {}/missing.jsonl: No such file or directory\n"),
        (("demo", "--out", "{}/file/demo"), "carillon: {}/file/demo: Not a directory\n"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["carillon", *(one.replace("{}", str(tmp_path)) for one in arguments)])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == told.replace("{}", str(tmp_path))


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(entry, "make_app", lambda: fail_with(full))
    with pytest.raises(SystemExit):
        entry.main()
    assert capsys.readouterr().err == "carillon: No space left on device\n"


def test_an_error_of_the_system_that_is_about_no_file_keeps_its_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entry, "make_app", lambda: fail_with(OSError(errno.EBADF, "Bad file descriptor")))
    with pytest.raises(OSError, match="Bad file descriptor"):
        entry.main()


def fail_with(error: Exception) -> None:
    raise error
