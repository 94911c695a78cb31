"""Finds the Java to run servers and tools with: the one of JAVA_HOME, else the first on PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from embedded.errors import EmbeddedError


def java_command() -> str:
    """The path of `java`; Spark looks in the same two places in the same order."""
    if home := os.environ.get("JAVA_HOME"):
        java = Path(home) / "bin" / "java"
        if not java.exists():
            raise EmbeddedError(
                f"JAVA_HOME is {home}, which has no bin/java: point it at a Java 17 or unset it"
            )
        return str(java)
    if found := shutil.which("java"):
        return found
    raise EmbeddedError(
        "no Java found: install Java 17 (for example openjdk-17-jre-headless) or set JAVA_HOME"
    )
