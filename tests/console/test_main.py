"""The entry of the command line: quick to start, one line for a user's mistake, a trace for a bug."""

from __future__ import annotations

import subprocess
import sys

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


def fail_with(error: Exception) -> None:
    raise error
