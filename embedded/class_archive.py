"""The archive of the classes that a local job loads, made once by loading them (Java's class data sharing).

Invariant: it only saves time: the JVM ignores an archive that does not fit its class path or its version, and a job
without one runs as well. Made again when Java changes; one that no checkout has asked for in a month is deleted. It
needs the connectors and the log store.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from conf.spark import (
    SHORT_LIVED,
    cache_dir,
    class_archive,
    connectors_dir,
    java_options,
    local_java_options,
    log_store_jar,
    pyspark_dir,
    spark_conf,
)
from embedded.java import java_command

#: 231 MB for each place that pyspark is installed at: nobody misses those of checkouts that are gone.
_KEPT_S = 30 * 86_400.0

_TRAINING = Path(__file__).resolve().parent / "class_training.py"


def ensure_class_archive(say: Callable[[str], None] = print) -> Path | None:
    """The archive; None when it cannot be made, which is said and costs speed only."""
    try:
        return _ensure_class_archive(say)
    except OSError as error:
        say(_not_made(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
        return None


def _not_made(why: str) -> str:
    return f"class archive: not made, jobs start as slowly as before: {why}"


def _ensure_class_archive(say: Callable[[str], None]) -> Path | None:
    archive = class_archive(connectors_dir(), log_store_jar())
    version = subprocess.run([java_command(), "-version"], capture_output=True, text=True).stderr
    stamp = archive.with_suffix(".java")
    if archive.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == version:
        with suppress(OSError):  # a shared cache that others may only read keeps its own archives
            stamp.touch()
        return archive
    forget_unused(archive.parent, time.time() - _KEPT_S)
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.unlink(missing_ok=True)
    say("class archive: loading what a job loads, once")
    started = time.monotonic()
    (cache_dir() / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir() / "tmp") as scratch:
        made = Path(scratch) / archive.name
        done = subprocess.run(
            _training_command(made, scratch), capture_output=True, text=True, env=_environment(), cwd=scratch
        )
        if done.returncode or not made.exists():
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            say(_not_made(" ".join(last)))
            return None
        os.replace(made, archive)
    stamp.write_text(version, encoding="utf-8")
    megabytes = archive.stat().st_size / 1e6
    say(f"class archive: {megabytes:.0f} MB, {time.monotonic() - started:.0f} s, kept in {archive.parent}")
    return archive


def forget_unused(folder: Path, before: float) -> None:
    """Delete the archives that were not asked for since then, in seconds of the epoch."""
    for stamp in folder.glob("*.java"):
        if stamp.stat().st_mtime < before:
            stamp.with_suffix(".jsa").unlink(missing_ok=True)
            stamp.unlink()


def _training_command(target: Path, scratch: str) -> list[str]:
    home = pyspark_dir()
    assert home is not None, "the jars of pyspark were found just before"
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]"]
    settings = spark_conf("local[2]")
    # The archive keeps classes, not what they were compiled to.
    options = [f"-XX:ArchiveClassesAtExit={target}", "-Xlog:cds=off", *SHORT_LIVED]
    settings["spark.driver.defaultJavaOptions"] = f"{local_java_options()} {java_options(options)}"
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    return [*command, str(_TRAINING), scratch]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("SPARK_CONF_DIR", "SPARK_HOME")}
    return {**kept, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
