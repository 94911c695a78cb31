"""Commits of one row each to a Delta table, by Delta's own transactions.

Invariant: the data files are written beforehand, since a race is about commits, which follow each other without pause.
"""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

import conf


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
    # Which Delta reads its settings from: a thread that has only just begun has none.
    jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(spark._jsparkSession)
    delta = jvm.org.apache.spark.sql.delta
    transaction = delta.DeltaLog.forTable(spark._jsparkSession, table).startTransaction()
    actions = jvm.PythonUtils.toSeq([delta.actions.Action.fromJson(action)])
    transaction.commit(actions, getattr(delta, "DeltaOperations$ManualUpdate$").__getattr__("MODULE$"))
