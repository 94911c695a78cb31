"""Run by spark-submit to load the classes of a typical job, in a folder given as the argument; it sends nothing.

It does what the jobs do with Spark, in small: Parquet, Delta with a transaction id, joins, windows, higher-order
functions, Arrow tasks, a streaming query with foreachBatch, Kafka and S3A as far as they go without a server.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F


def load_classes(spark: SparkSession, folder: str) -> None:
    """Every kind of plan that the jobs have."""
    rows = spark.range(0, 2_000, numPartitions=2).select(
        F.col("id").cast("string").alias("key"),
        F.struct(F.lit("a").alias("name"), F.col("id").alias("number")).alias("inner"),
        F.array(F.lit("x"), F.lit(None).cast("string")).alias("many"),
        F.timestamp_seconds(F.col("id")).alias("at"),
        F.to_json(F.struct("id")).alias("text"),
    )
    rows.write.parquet(f"{folder}/raw")
    raw = spark.read.parquet(f"{folder}/raw").mapInArrow(lambda batches: batches, rows.schema)
    table = f"{folder}/table"
    dated = raw.withColumn("day", F.to_date("at"))
    for version in (1, 2):
        writer = dated.write.format("delta").mode("append").partitionBy("day")
        writer.option("txnAppId", "training").option("txnVersion", version).save(table)
    stored = spark.read.format("delta").option("versionAsOf", 1).load(table)
    first = Window.partitionBy("key").orderBy("at")
    fields = F.from_json("text", "id bigint")
    judged = (
        stored.join(F.broadcast(rows.select("key").distinct()), on="key", how="left_semi")
        .withColumn("rank", F.row_number().over(first))
        .withColumn("kept", F.filter("many", lambda one: one.isNotNull()))
        .withColumn("id", fields.getField("id"))
        .withColumn("digest", F.sha1(F.encode("key", "UTF-8")))
        .persist()
    )
    judged.groupBy("day").agg(F.max_by("inner", "at"), F.count("*")).collect()
    judged.repartitionById(2, F.pmod(F.col("id"), F.lit(2)).cast("int")).sortWithinPartitions("key").count()
    judged.unpersist()

    def work(epoch: DataFrame, _number: int) -> None:
        epoch.union(epoch).distinct().count()

    source = spark.readStream.schema(rows.schema).parquet(f"{folder}/raw")
    query: Any = source.writeStream.option("checkpointLocation", f"{folder}/checkpoint").foreachBatch(work)
    query.trigger(availableNow=True).start().awaitTermination()


def touch_servers(spark: SparkSession) -> None:
    """The clients of Kafka and S3: their classes are loaded although nobody answers."""
    short = {
        "retry.limit": "0",
        "attempts.maximum": "0",
        "connection.timeout": "200",
        "endpoint": "http://127.0.0.1:9",
    }
    reader = spark.read.format("parquet")
    for name, value in {
        **short,
        "access.key": "none",
        "secret.key": "none",
        "endpoint.region": "us-east-1",
    }.items():
        reader = reader.option(f"fs.s3a.{name}", value)
    with contextlib.suppress(Exception):
        reader.load("s3a://nobody/nothing")
    kafka = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", "127.0.0.1:9")
        .option("subscribe", "none")
    )
    for name in ("request.timeout.ms", "default.api.timeout.ms"):
        kafka = kafka.option(f"kafka.{name}", "500")
    with contextlib.suppress(Exception):
        kafka.load().count()


if __name__ == "__main__":
    session = SparkSession.builder.appName("class-training").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    load_classes(session, Path(sys.argv[1]).as_uri())
    touch_servers(session)
    session.stop()
