"""A driver of its own process that decides under caps, upon lines on standard input.

`python -m tests.integration.capped_driver NAME`; the lake and Kafka come from the environment, as in a job. It is told:
`run CAMPAIGN` runs a scheduled campaign and answers `sent COUNT`; `stream` runs the stream from now on, beside whatever
else is asked, and answers `epoch CONSIDERED` for each of its epochs.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from pyspark.sql import SparkSession

import conf
from conf import Settings
from pipelines.edges.scheduled import run_campaign
from pipelines.edges.stream import TriggeredStream
from tests.integration.appending_driver import open_session


def main(name: str) -> None:
    settings = conf.load("local")
    spark = open_session(name, settings)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    # The first read pays for classes and connections, so that the race starts warm.
    spark.read.format("delta").load(settings.lake.uri("audience")).count()
    print("ready", flush=True)
    for line in sys.stdin:
        what, *names = line.split()
        if what == "stream":
            threading.Thread(target=run_stream, args=(spark, settings), daemon=True).start()
        else:
            result = run_campaign(spark, settings, names[0], "1")
            print(f"sent {count(result, 'sent')}", flush=True)


def run_stream(spark: SparkSession, settings: Settings) -> None:
    def report(result: dict[str, Any]) -> None:
        print(f"epoch {count(result, 'considered')}", flush=True)

    TriggeredStream(spark, settings, report).run(False, threading.Event())


def count(result: dict[str, Any], what: str) -> int:
    """Of all campaigns and channels of a unit's result."""
    return sum(line[what] for lines in result["campaigns"].values() for line in lines.values())


if __name__ == "__main__":
    main(sys.argv[1])
