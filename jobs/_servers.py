"""Kafka and S3 are asked before Spark is started, which takes long, and whose own sources go on asking for minutes."""

from __future__ import annotations

from conf import Settings
from pipelines.edges.objects import ObjectStore
from pipelines.edges.progress import count_partitions


def ask_s3(settings: Settings) -> None:
    """Raises `StorageError` when it does not answer."""
    ObjectStore(settings.lake).list("pointers/")


def ask_both(settings: Settings) -> None:
    """Raises `StorageError` or `ServerError` when one of the two does not answer."""
    ask_s3(settings)
    count_partitions(settings.kafka.librdkafka())
