"""The Spark configuration every session gets, and where the jars behind it lie.

Invariant: spark-submit.sh, the jobs and the tests take their settings from `spark_conf`, so a setting cannot
differ between them. No Spark import: the shell asks this module before any JVM runs. It fetches nothing; see
`embedded.jars`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from conf.spark_packages import CHECKPOINTS_CLASS, EXCLUDED_PACKAGES, LOG_STORE_CLASS, SPARK_PACKAGES

_HOME = Path(__file__).resolve().parent.parent
_LOG_STORE_SOURCES = _HOME / "logstore"
_LOGGING = _HOME / "conf" / "logging" / "log4j2.properties"

#: Where the optimising compiler is off (short jobs), the JVM keeps 48 MB for compiled code by default. The classes that
#: Spark generates fill it within one epoch, and the JVM then sweeps and compiles anew: a fifth of an epoch's CPU.
_CODE_CACHE = "-XX:ReservedCodeCacheSize=256m"

#: A JVM that lives for seconds: the optimising compiler, and a collector with threads of its own, cost it more than
#: they give: half of its CPU, and a quarter of its time.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
#: The same as SPARK_SUBMIT_OPTIONS of a job.
SHORT_JOB = f"--driver-java-options '{' '.join(SHORT_LIVED)}'"

_EVERYWHERE = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Two drivers commit to one lake: without this, Delta on S3 loses acknowledged commits (ADR 0002).
    "spark.delta.logStore.s3a.impl": LOG_STORE_CLASS,
    # An epoch writes two files into the checkpoint: four requests in place of 44 (ADR 0010).
    "spark.sql.streaming.checkpointFileManagerClass": CHECKPOINTS_CLASS,
    # A speculative copy of a publishing task would be fenced, then fence the first one in turn.
    "spark.speculation": "false",
    "spark.python.worker.reuse": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # Bad input is data: a cast or a division in an author's predicate gives null, it does not stop the
    # stream.
    "spark.sql.ansi.enabled": "false",
    # The render rate peaks at about 2,000 rows a record batch; larger ones only cost memory.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    # Rows are counted, so their bytes need not be: asking each row for them was a tenth of what executors do.
    "spark.sql.execution.arrow.maxBytesPerBatch": "2147483647",
    # A table's log state is a few thousand rows: Delta's default of 50 partitions costs 50 tasks for each
    # read.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Delta's .crc beside each commit is written by rename, which on S3 is 28 of the 38 requests of a commit.
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
    # A publishing task makes and frees 100 MB of messages for each transaction. By default glibc and Arrow's allocator
    # return it to the kernel at once and page it in again: 15 of the 35 µs of CPU that an email of 10 KB cost. Here
    # they keep what they had; the most that a worker holds stays the same.
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": "33554432",  # the largest that glibc takes
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": "536870912",
    "spark.executorEnv.MIMALLOC_PURGE_DELAY": "10000",  # milliseconds
    "spark.sql.streaming.metricsEnabled": "true",
    "spark.metrics.namespace": "carillon",
}

_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "4g",
    # Forks the Python workers with what they need imported.
    "spark.python.daemon.module": "jobs._daemon",
    "spark.sql.shuffle.partitions": "4",
    # Delta lists a log in a Spark job of this many tasks when a directory is large; on few cores it is
    # overhead.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
}


class JarsMissingError(RuntimeError):
    """The connectors have not been fetched on this machine."""


def cache_dir() -> Path:
    """Where downloads live: outside the repository, shared by every checkout."""
    if chosen := os.environ.get("CARILLON_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "carillon"


def jars_dir(name: str, packages: Sequence[str], excluded: Sequence[str] = ()) -> Path:
    """The directory of one resolved set; another list of coordinates is another directory."""
    key = hashlib.sha256(json.dumps([list(packages), list(excluded)]).encode()).hexdigest()[:12]
    return cache_dir() / "jars" / f"{name}-{key}"


def connectors_dir() -> Path:
    """The jars Spark needs beside its own."""
    return jars_dir("connectors", SPARK_PACKAGES, EXCLUDED_PACKAGES)


def log_store_sources() -> list[Path]:
    """The Scala sources of what commits to S3: the Delta log store, and the files of checkpoints."""
    return sorted(_LOG_STORE_SOURCES.glob("*.scala"))


def log_store_jar() -> Path:
    """The compiled log store, keyed by its sources and by the jars it was compiled against."""
    sources = b"".join(source.read_bytes() for source in log_store_sources())
    digest = hashlib.sha256(sources + connectors_dir().name.encode()).hexdigest()[:12]
    return cache_dir() / "jars" / f"logstore-{digest}" / "carillon-log-store.jar"


def pyspark_dir() -> Path | None:
    """Where pyspark lies, found without importing it (0.5 s); None when it is not installed."""
    spec = find_spec("pyspark")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def class_archive(connectors: Path, log_store: Path) -> Path:
    """The archive of loaded and verified classes (Java's class data sharing), which halves the start of a local job.
    It belongs to one class path, so to one virtual environment; the JVM ignores one that does not fit."""
    parts = (str(pyspark_dir()), connectors.name, log_store.parent.name, str(cache_dir()))
    key = hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]
    return cache_dir() / "classes" / f"{key}.jsa"


def local_java_options(archive: Path | None = None) -> str:
    """The options of a local driver's JVM, but for those that differ between jobs."""
    options = [_CODE_CACHE, f"-Dlog4j2.configurationFile={_LOGGING}"]
    # One that no longer fits, after an update of Java, only costs speed: no line about it in each job's log.
    if archive is not None and archive.exists():
        options += [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=error", "-Xlog:cds+dynamic=error"]
    return java_options(options)


def java_options(options: Sequence[str]) -> str:
    """As Spark splits them again: paths may hold blanks."""
    return " ".join(f'"{option}"' if " " in option else option for option in options)


def spark_conf(master: str) -> dict[str, str]:
    """All settings for a session on `master`; raises JarsMissingError where local jars are needed and absent.

    local: the jars go on the driver's class path, which copies nothing (spark.jars would copy 60 files for
    each session). spark://: the driver serves its local jars to the executors. yarn: Ivy resolves on the
    submitting machine. k8s: the image carries the jars, so that a pod never downloads at start.
    """
    settings = dict(_EVERYWHERE)
    if master.startswith("local"):
        connectors, log_store = _fetched_jars()
        settings |= _LOCAL | {
            "spark.driver.extraClassPath": f"{log_store}{os.pathsep}{connectors}/*",
            "spark.driver.defaultJavaOptions": local_java_options(class_archive(connectors, log_store)),
        }
    elif master.startswith("spark://"):
        connectors, log_store = _fetched_jars()
        settings["spark.jars"] = ",".join(map(str, [log_store, *sorted(connectors.glob("*.jar"))]))
    elif not master.startswith("k8s://"):
        _, log_store = _fetched_jars()
        settings |= {
            "spark.jars": str(log_store),
            "spark.jars.packages": ",".join(SPARK_PACKAGES),
            "spark.jars.excludes": ",".join(EXCLUDED_PACKAGES),
        }
        if ivy_settings := os.environ.get("CARILLON_IVY_SETTINGS"):
            settings["spark.jars.ivySettings"] = ivy_settings
    return settings


def _fetched_jars() -> tuple[Path, Path]:
    connectors, log_store = connectors_dir(), log_store_jar()
    for path in (connectors / "manifest.json", log_store):
        if not path.exists():
            raise JarsMissingError(
                f"Spark's connectors are not in {cache_dir()} ({path.name} missing): run `make jars`"
            )
    return connectors, log_store


def main(arguments: Sequence[str]) -> int:
    """Print the settings for a master as key=value lines, for spark-submit.sh."""
    try:
        settings = spark_conf(arguments[0])
    except JarsMissingError as missing:
        print(f"carillon: {missing}", file=sys.stderr)
        return 2
    for key, value in settings.items():
        print(f"{key}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
