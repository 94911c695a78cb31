"""The only place that makes a SparkSession."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession

from conf import Settings
from conf.spark import spark_conf


def open_session(job: str, settings: Settings) -> SparkSession:
    """The session of a job. Under spark-submit the master, the jars and the memory were given on its command line;
    a session opened otherwise (tests, benchmarks) gets the same settings from `conf.spark`, on two local cores."""
    builder = SparkSession.builder.appName(f"carillon-{job}")
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        # Four attempts a task: a publishing task that meets a broker restart is tried again, as on a cluster.
        # Workers run what the driver runs, not whatever python3 is on the path.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.master("local[2,4]")
        for name, value in spark_conf("local").items():
            builder = builder.config(name, value)
    for name, value in settings.lake.hadoop().items():
        builder = builder.config(f"spark.hadoop.{name}", value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session
