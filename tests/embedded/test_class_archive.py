"""Archives of classes: those that nobody asks for any more are deleted, and no others."""

from __future__ import annotations

import os
from pathlib import Path

from embedded.class_archive import forget_unused


def test_what_nobody_asks_for_is_deleted(tmp_path: Path) -> None:
    for name, asked_for in (("old", 99.0), ("new", 101.0)):
        for suffix in (".java", ".jsa"):
            (tmp_path / name).with_suffix(suffix).touch()
        os.utime(tmp_path / f"{name}.java", (asked_for, asked_for))
    (tmp_path / "half-made.java").touch()
    os.utime(tmp_path / "half-made.java", (1.0, 1.0))
    forget_unused(tmp_path, 100.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.java", "new.jsa"]
    forget_unused(tmp_path / "nowhere", 100.0)
