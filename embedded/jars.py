"""Fetches the connectors' and the broker's jars with the Ivy inside pyspark, and builds the Delta log store.

Invariant: a directory of jars is complete when its manifest.json exists (it is moved into place whole), and
then no network is touched. It needs Java and pyspark, not Maven and not a JDK.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from conf.spark import cache_dir, connectors_dir, jars_dir, log_store_jar, log_store_sources, pyspark_dir
from conf.spark_packages import BROKER_PACKAGES, EXCLUDED_PACKAGES, SPARK_PACKAGES
from embedded.class_archive import ensure_class_archive
from embedded.errors import EmbeddedError, file_problem
from embedded.java import java_command

Say = Callable[[str], None]

_DOWNLOADED = re.compile(r"\[SUCCESSFUL \] \S+#(\S+?);(\S+?)!")
_PROGRESS_EVERY_S = 5.0


def spark_jars_dir() -> Path:
    """The jars inside pyspark."""
    home = pyspark_dir()
    if home is None:
        raise EmbeddedError("pyspark is not installed in this Python: run `make venv`")
    return home / "jars"


def broker_dir() -> Path:
    """The broker's class path."""
    return jars_dir("broker", BROKER_PACKAGES)


def ensure_connectors(say: Say = print) -> Path:
    """The connectors without what Spark has: they come first on the class path and must not shadow it."""
    own = {_artifact(jar.name) for jar in spark_jars_dir().glob("*.jar")}
    return _ensure("connectors", connectors_dir(), SPARK_PACKAGES, EXCLUDED_PACKAGES, own, say)


def ensure_broker(say: Say = print) -> Path:
    """The Kafka broker and all it needs."""
    return _ensure("broker", broker_dir(), BROKER_PACKAGES, (), set(), say)


def ensure_log_store(say: Say = print) -> Path:
    """The compiled Delta log store; needs the connectors."""
    jar = log_store_jar()
    if jar.exists():
        return jar
    connectors = ensure_connectors(say)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_made(cache_dir() / "tmp")) as scratch:
        built = Path(scratch) / jar.name
        class_path = os.pathsep.join([f"{spark_jars_dir()}/*", f"{connectors}/*"])
        compile_command = [
            java_command(),
            "-Xss8m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            class_path,
            "scala.tools.nsc.Main",
        ]
        done = subprocess.run(
            [
                *compile_command,
                "-usejavacp",
                "-release",
                "17",
                "-language:existentials",
                "-Werror",
                "-d",
                str(built),
                *map(str, log_store_sources()),
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode or not built.exists():
            raise EmbeddedError(
                f"the Delta log store does not compile: {(done.stdout + done.stderr).strip()}"
            )
        _made(jar.parent)
        os.replace(built, jar)
    say(f"log store: compiled in {time.monotonic() - started:.0f} s")
    return jar


def ensure_all(say: Say = print) -> None:
    """Everything the demo and the tests need."""
    ensure_connectors(say)
    ensure_broker(say)
    ensure_log_store(say)
    ensure_class_archive(say)


def _ensure(
    name: str, target: Path, packages: Sequence[str], excluded: Sequence[str], provided: set[str], say: Say
) -> Path:
    if (target / "manifest.json").exists():
        return target
    started = time.monotonic()
    say(f"{name}: fetching {', '.join(packages)}")
    with tempfile.TemporaryDirectory(dir=_made(cache_dir() / "tmp")) as scratch:
        jars = _made(Path(scratch) / target.name)
        descriptor = Path(scratch) / "ivy.xml"
        descriptor.write_text(_ivy_descriptor(name, packages, excluded), encoding="utf-8")
        _run_ivy(descriptor, jars, name, say)
        for jar in jars.glob("*.jar"):
            if _artifact(jar.name) in provided:
                jar.unlink()
        sizes = {jar.name: jar.stat().st_size for jar in sorted(jars.glob("*.jar"))}
        manifest = {"packages": list(packages), "excluded": list(excluded), "jars": sizes}
        (jars / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _made(target.parent)
        # Another process may have finished first; its directory is as good.
        if not (target / "manifest.json").exists():
            shutil.rmtree(target, ignore_errors=True)
            os.replace(jars, target)
    megabytes = sum(sizes.values()) / 1e6
    say(
        f"{name}: {len(sizes)} jars, {megabytes:.0f} MB, {time.monotonic() - started:.0f} s, kept in {target}"
    )
    return target


def _ivy_descriptor(name: str, packages: Sequence[str], excluded: Sequence[str]) -> str:
    lines = ['<ivy-module version="2.0">', f'<info organisation="carillon" module={quoteattr(name)}/>']
    lines += ['<configurations><conf name="default"/></configurations>', "<dependencies>"]
    for package in packages:
        group, artifact, version = package.split(":")
        lines.append(
            f"<dependency org={quoteattr(group)} name={quoteattr(artifact)} rev={quoteattr(version)}"
            ' conf="default->default"/>'
        )
    for package in excluded:
        group, artifact = package.split(":")
        lines.append(f"<exclude org={quoteattr(group)} module={quoteattr(artifact)}/>")
    return "\n".join([*lines, "</dependencies></ivy-module>"])


def _run_ivy(descriptor: Path, jars: Path, name: str, say: Say) -> None:
    """Resolve and copy; Ivy's own lines go to a log, the user sees counts and megabytes."""
    ivy_jars = sorted(spark_jars_dir().glob("ivy-*.jar"))
    if not ivy_jars:
        raise EmbeddedError(
            f"no Ivy in {spark_jars_dir()}: this pyspark is not complete; run `make clean venv`"
        )
    ivy_cache = _made(cache_dir() / "ivy")
    command = [java_command(), *_java_proxy_options(), "-jar", str(ivy_jars[0]), "-cache", str(ivy_cache)]
    if settings := os.environ.get("CARILLON_IVY_SETTINGS"):
        if not Path(settings).is_file():
            raise EmbeddedError(f"CARILLON_IVY_SETTINGS names {settings}, which is not a file")
        command += ["-settings", settings]
    pattern = f"{jars}/[artifact]-[revision](-[classifier]).[ext]"
    command += ["-ivy", str(descriptor), "-types", "jar", "bundle", "-retrieve", pattern]
    log = cache_dir() / f"{name}-ivy.log"
    fetched: list[str] = []
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        watcher = _Progress(name, ivy_cache, fetched, say)
        watcher.start()
        try:
            for line in process.stdout:
                out.write(line)
                if found := _DOWNLOADED.search(line):
                    fetched.append(f"{found[1]} {found[2]}")
            code = process.wait()
        finally:
            watcher.stop()
            if process.poll() is None:
                process.kill()
                process.wait()
    unresolved = (
        "UNRESOLVED DEPENDENCIES" in log.read_text(encoding="utf-8") or "FAILED DOWNLOADS" in log.read_text()
    )
    if code or unresolved or not any(jars.glob("*.jar")):
        raise EmbeddedError(
            f"cannot fetch the {name} jars: is the network up? Behind a proxy set HTTPS_PROXY; for a mirror"
            f" of Maven Central set CARILLON_IVY_SETTINGS to an ivysettings.xml. Its words: {log}"
        )


def _java_proxy_options() -> list[str]:
    """Java does not read HTTPS_PROXY by itself."""
    from urllib.parse import urlsplit

    options = []
    for scheme in ("http", "https"):
        if proxy := os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY"):
            address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            options += [
                f"-D{scheme}.proxyHost={address.hostname}",
                f"-D{scheme}.proxyPort={address.port or 80}",
            ]
    return options


class _Progress(threading.Thread):
    """One line every few seconds: a download of minutes must not look like a hang."""

    def __init__(self, name: str, ivy_cache: Path, fetched: list[str], say: Say) -> None:
        super().__init__(daemon=True)
        self._name, self._cache, self._fetched, self._say = name, ivy_cache, fetched, say
        self._before = self._bytes()
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_PROGRESS_EVERY_S):
            megabytes = (self._bytes() - self._before) / 1e6
            latest = f", last {self._fetched[-1]}" if self._fetched else ", reading what depends on what"
            self._say(f"{self._name}: {len(self._fetched)} jars, {megabytes:.0f} MB{latest}")

    def stop(self) -> None:
        self._done.set()
        self.join()

    def _bytes(self) -> int:
        return sum(jar.stat().st_size for jar in self._cache.rglob("*.jar") if jar.is_file())


def _artifact(file_name: str) -> str:
    """`netty-common-4.1.126.Final.jar` → `netty-common`."""
    return re.sub(r"-\d[^/]*$", "", file_name)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def main() -> int:
    """`python -m embedded.jars`: fetch and build what is missing. Exit code 2 when the cache cannot be written, 5 when
    something cannot be fetched or built, 130 on Ctrl-C."""
    try:
        ensure_all(lambda line: print(line, flush=True))
    except EmbeddedError as error:
        print(f"carillon: {error}", file=sys.stderr)
        return 5
    except OSError as error:
        if (told := file_problem(error)) is None:
            raise
        cache = cache_dir()
        hint = f"The cache is {cache}: set CARILLON_CACHE to a folder that can be written"
        print(f"carillon: {told}. {hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
