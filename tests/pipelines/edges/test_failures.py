"""Errors on their way through Spark: what a task raised, what a server refused, and bugs that stay bugs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import SparkSession

import conf
from conf import Settings
from embedded.faulty_s3 import Fault, FaultyS3
from embedded.process import free_port
from embedded.servers import EmbeddedServers
from pipelines.edges.failures import explain
from pipelines.edges.objects import StorageError
from pipelines.edges.progress import FencedError, ProgressUnreadableError
from pipelines.edges.publisher import PublishError
from pipelines.edges.tables import Tables
from pipelines.errors import InputError, ServerError
from schemas.tables import table


def failure_of(spark: SparkSession, error: Exception) -> Exception:
    """What reaches the driver when a task raises `error`."""

    def task(_batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise error

    with pytest.raises(PythonException) as caught:
        spark.range(1).mapInArrow(task, "id long").collect()
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        FencedError("triggered"),
        PublishError("cannot commit for triggered/0"),
        ProgressUnreadableError("x"),
        InputError("a data file of the lake is gone: s3a://lake/audience/part-0.parquet. Restore it"),
        ServerError("the table 'audience' in s3a://lake cannot be used"),
        StorageError("cannot write ledger/part-0.parquet"),
    ],
)
def test_what_a_task_raised_comes_back(spark: SparkSession, error: Exception) -> None:
    again = explain(failure_of(spark, error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_a_bug_in_a_task_stays_as_it_is(spark: SparkSession) -> None:
    raised = failure_of(spark, ZeroDivisionError("a bug that mentions PublishError"))
    assert explain(raised) is raised


def test_what_is_not_sparks_stays_as_it_is(spark: SparkSession) -> None:
    bug = ValueError("PublishError: no")
    assert explain(bug) is bug
    with pytest.raises(AnalysisException) as caught:
        spark.range(1).select("nothing")
    assert explain(caught.value) is caught.value


def test_a_full_disk_is_named(spark: SparkSession) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/spark/shuffle")
    # Of a task, or of the driver itself.
    for raised in (failure_of(spark, full), full):
        named = explain(raised)
        assert isinstance(named, ServerError), named
        assert str(named).startswith(
            "No space left on device: a disk under stream.checkpoint, under Spark's local"
        )


def test_an_s3_that_refuses_is_named(spark: SparkSession, servers: EmbeddedServers) -> None:
    bucket = "refusing"
    servers.s3.create_bucket(bucket)
    hadoop: Any = spark._jsc.hadoopConfiguration()
    with FaultyS3(servers.s3.endpoint_url, lambda *_: Fault(status=403, error_code="AccessDenied")) as door:
        # A bucket of its own: Hadoop keeps one file system for each, and the session's has another endpoint.
        hadoop.set(f"fs.s3a.bucket.{bucket}.endpoint", door.endpoint_url)
        with pytest.raises(Exception, match="refusing") as caught:
            spark.read.format("delta").load(f"s3a://{bucket}/lake/ledger").collect()
    assert isinstance(explain(caught.value), ServerError), caught.value


def test_a_kafka_that_refuses_is_named(spark: SparkSession, settings: Settings) -> None:
    source = spark.read.format("kafka").options(**settings.kafka.spark_source())
    with pytest.raises(Exception, match=r"\w") as caught:
        source.option("subscribe", "no.such.topic").load().collect()
    named = explain(caught.value)
    assert isinstance(named, ServerError), caught.value
    assert str(named).startswith("Kafka did not answer as needed: ")


def test_a_table_whose_server_is_away_is_told_in_one_line(environment: dict[str, str]) -> None:
    away = {**environment, "CARILLON_LAKE__ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    with pytest.raises(
        ServerError, match=r"the table 'ledger' in s3a://.* cannot be used: .*retries"
    ) as caught:
        Tables(conf.load("local", environ=away).lake).query(table("ledger"), "SELECT 1 FROM t")
    assert str(caught.value).isprintable()
