"""A driver of its own process that appends to one Delta table and names every commit that was acknowledged.

`python -m tests.integration.appending_driver TABLE NAME COMMITS`; the lake comes from the environment, as in
a job. It waits for a line on standard input after all is prepared, so that several start appending together.
The data files are written beforehand: the race is about commits, which follow each other without pause.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

import conf
from conf.spark import spark_conf

# Cheap starts and commits on two cores; none of it takes part in the commit protocol.
CHEAP = {
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
}


def open_session(name: str, settings: conf.Settings) -> SparkSession:
    s3a = {f"spark.hadoop.{key}": value for key, value in settings.lake.hadoop().items()}
    builder = SparkSession.builder.master("local[1]").appName(f"appending-{name}")
    for key, value in {**spark_conf("local[1]"), **s3a, **CHEAP}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def write_files(table: str, name: str, files: int, settings: conf.Settings) -> list[str]:
    """One Parquet file with one row for each commit; returns Delta's actions that add them."""
    import boto3
    import pyarrow as pa
    from pyarrow import parquet

    s3 = boto3.client("s3", **settings.lake.boto3())
    place = urlsplit(table)
    actions = []
    for number in range(files):
        file = io.BytesIO()
        parquet.write_table(pa.table({"driver": [name], "number": pa.array([number], pa.int32())}), file)
        path = f"{name}-{number}.parquet"
        s3.put_object(Bucket=place.netloc, Key=f"{place.path.strip('/')}/{path}", Body=file.getvalue())
        added = {
            "path": path,
            "partitionValues": {},
            "size": file.tell(),
            "modificationTime": 0,
            "dataChange": True,
        }
        actions.append(json.dumps({"add": added}))
    return actions


def append(spark: SparkSession, table: str, action: str) -> None:
    """One transaction of Delta's, with its own conflict check and retries."""
    jvm: Any = spark._jvm
    delta = jvm.org.apache.spark.sql.delta
    transaction = delta.DeltaLog.forTable(spark._jsparkSession, table).startTransaction()
    actions = jvm.PythonUtils.toSeq([delta.actions.Action.fromJson(action)])
    transaction.commit(actions, getattr(delta, "DeltaOperations$ManualUpdate$").__getattr__("MODULE$"))


def main(table: str, name: str, commits: int) -> None:
    settings = conf.load("local")
    spark = open_session(name, settings)
    actions = write_files(table, name, commits, settings)
    # The first read of the table pays for classes and connections, so that the race starts warm.
    spark.read.format("delta").load(table).count()
    print("ready", flush=True)
    sys.stdin.readline()
    for number, action in enumerate(actions):
        append(spark, table, action)
        print(f"acknowledged {number}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
