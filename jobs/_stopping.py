"""SIGTERM and SIGINT become a flag that the job looks at between epochs.

spark-submit runs the job in a child of the JVM and the signal reaches the JVM, whose own handler would end both at
once. So the handler is replaced in the JVM as well, through the callback server that foreachBatch uses anyway.
"""

from __future__ import annotations

import signal
import threading
from typing import Any

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

SIGNALS = ("TERM", "INT")


class _Handler:
    """A `sun.misc.SignalHandler`, called in the JVM."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def handle(self, _signal: Any) -> None:
        self._stopping.set()

    class Java:
        implements = ("sun.misc.SignalHandler",)


def listen(spark: SparkSession) -> threading.Event:
    """The flag that the first signal sets."""
    stopping = threading.Event()
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call] # pyspark gives it no types
    handler = _Handler(stopping)
    for name in SIGNALS:
        gateway.jvm.sun.misc.Signal.handle(gateway.jvm.sun.misc.Signal(name), handler)
        signal.signal(getattr(signal, f"SIG{name}"), lambda _number, _frame: stopping.set())
    return stopping
