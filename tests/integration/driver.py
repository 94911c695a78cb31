"""A driver that is told by lines what to do, in this process or, on standard input, in one of its own.

`python -m tests.integration.driver NAME`; the lake and Kafka come from the environment, as in a job. It is told:
`run CAMPAIGN` runs a scheduled campaign and answers `sent COUNT`; `stream` runs the stream from now on, beside whatever
else is asked, and answers `epoch CONSIDERED` for each of its epochs; `prepare TABLE COMMITS` and then `append` answer
`prepared`, a line for each commit that was acknowledged, and `appended`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

import conf
from conf import Settings
from conf.spark import SHORT_LIVED, java_options, spark_conf
from pipelines.edges.scheduled import run_campaign
from pipelines.edges.stream import TriggeredStream
from tests.integration.appending import append, write_files

# Cheap starts and commits on two cores; none of it takes part in the commit protocol.
CHEAP = {
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": java_options(SHORT_LIVED),
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
}


def open_session(name: str, settings: Settings) -> SparkSession:
    s3a = {f"spark.hadoop.{key}": value for key, value in settings.lake.hadoop().items()}
    builder = SparkSession.builder.master("local[1]").appName(f"driver-{name}")
    for key, value in {**spark_conf("local[1]"), **s3a, **CHEAP}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def main(name: str) -> None:
    settings = conf.load("local")
    spark = open_session(name, settings)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    obey(name, spark, settings, sys.stdin, partial(print, flush=True))


def obey(
    name: str, spark: SparkSession, settings: Settings, lines: Iterable[str], say: Callable[[str], None]
) -> None:
    """Do what the lines tell, and answer, until they end."""
    # The first read pays for classes and connections, so that the race starts warm.
    spark.read.format("delta").load(settings.lake.uri("audience")).count()
    say("ready")
    table, actions = "", list[str]()
    for line in lines:
        match line.split():
            case ["prepare", table, commits]:
                actions = write_files(table, name, int(commits), settings)
                spark.read.format("delta").load(table).count()
                say("prepared")
            case ["append"]:
                for number, action in enumerate(actions):
                    append(spark, table, action)
                    say(f"acknowledged {number}")
                say("appended")
            case ["run", campaign]:
                result = run_campaign(spark, settings, campaign, "1")
                say(f"sent {count(result, 'sent')}")
            case ["stream"]:
                threading.Thread(target=run_stream, args=(spark, settings, say), daemon=True).start()
            case unknown:
                raise ValueError(unknown)


def run_stream(spark: SparkSession, settings: Settings, say: Callable[[str], None]) -> None:
    def report(result: dict[str, Any]) -> None:
        say(f"epoch {count(result, 'considered')}")

    TriggeredStream(spark, settings, report).run(False, threading.Event())


def count(result: dict[str, Any], what: str) -> int:
    """Of all campaigns and channels of a unit's result."""
    return sum(line[what] for lines in result["campaigns"].values() for line in lines.values())


if __name__ == "__main__":
    main(sys.argv[1])
