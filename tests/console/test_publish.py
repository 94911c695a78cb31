"""`carillon publish` and `carillon validate` of a folder without campaigns: the same line and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from console import main as entry


@pytest.mark.parametrize("command", ["publish", "validate"])
@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_is_there(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["carillon", command, str(tmp_path / name)])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    expected = "expected a folder with campaign.yaml, or a folder of such folders"
    captured = capsys.readouterr()
    assert captured.err == f"carillon: no campaign in '{tmp_path / name}': {expected}.\n"
    assert (ended.value.code, captured.out) == (2, "")
