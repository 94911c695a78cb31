"""The limit of publishing: batches that are ready, from Parquet through Spark's own Kafka sink.

Invariant: key, value and headers are byte for byte what Carillon put on the topic. The sink decides, renders and
records nothing, and it is at least once; its producers keep their defaults but for the compression.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from conf import Settings

#: A batch of rows is held in memory by column: at half a megabyte a value, the default of 4,096 rows is 2 GB.
_ROWS_READ = "64"


def save_batches(spark: SparkSession, settings: Settings, topic: str, path: str) -> None:
    """The committed records of the topic as Parquet."""
    source = {**settings.kafka.spark_source(), "kafka.isolation.level": "read_committed"}
    records = spark.read.format("kafka").options(**source, subscribe=topic, includeHeaders="true").load()
    records.select("key", "value", "headers").write.mode("overwrite").parquet(path)


def write_batches(spark: SparkSession, settings: Settings, path: str, topic: str, compression: str) -> None:
    """What is measured."""
    with _small_reads(spark):
        sink = spark.read.parquet(path).write.format("kafka").option("topic", topic)
        sink.options(**settings.kafka.spark_source(), **{"kafka.compression.type": compression}).save()


@contextmanager
def _small_reads(spark: SparkSession) -> Iterator[None]:
    name = "spark.sql.parquet.columnarReaderBatchSize"
    spark.conf.set(name, _ROWS_READ)
    try:
        yield
    finally:
        spark.conf.unset(name)
