"""The report of a bench: one JSON file, written anew after each figure, so that an interrupted run keeps what it found.

Invariant: what was measured earlier stays until it is measured again, and each part says on how much, when, under which
load and by which command. Computes nothing.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conf.spark_packages import BROKER_PACKAGES

_PACKAGES = ("pyspark", "pyarrow", "confluent-kafka", "jinja2", "delta-spark")


class Report:
    """`figures` is the tree that is written."""

    def __init__(self, path: Path, command: str) -> None:
        self._path = path
        self._command = command
        self.figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.figures["machine"] = machine()
        self.figures["versions"] = {
            "python": platform.python_version(),
            "kafka": BROKER_PACKAGES[0].rpartition(":")[2],
            **{package: version(package) for package in _PACKAGES},
        }
        self.figures["command"] = command

    def add(self, section: str, figures: Mapping[str, Any]) -> None:
        """Say and write figures of a section."""
        self.figures.setdefault(section, {}).update(figures)
        for name, value in figures.items():
            print(f"{section}.{name}: {json.dumps(value)}", flush=True)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")

    def begin(self, part: str, sizes: Mapping[str, Any]) -> None:
        """Note how a part is measured."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.add(
            "measured",
            {part: {**sizes, "at": at, "load_before": os.getloadavg()[0], "command": self._command}},
        )


def write_figures(path: Path, found: dict[str, Any]) -> None:
    """Write and print figures that were measured in one go, with the machine and its load."""
    found["machine"] = {**machine(), "load": os.getloadavg()[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)


def machine() -> dict[str, Any]:
    """What this was measured on."""
    found: dict[str, str] = {}
    for file in ("/proc/cpuinfo", "/proc/meminfo"):
        if Path(file).exists():
            for line in Path(file).read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition(":")
                found.setdefault(name.strip(), value.strip())
    return {
        "cpu": found.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "memory": found.get("MemTotal", "unknown"),
        "system": f"{platform.system()} {platform.release()}",
    }
