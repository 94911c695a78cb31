"""Jobs as they are submitted: what their process says and ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from conf.spark import SHORT_JOB
from embedded.process import free_port
from tests.builders import make_campaign, trigger
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

ROOT = Path(__file__).parents[2]


@contextmanager
def submitted(environment: Mapping[str, str], job: str, *arguments: str) -> Iterator[Any]:
    process = subprocess.Popen(
        [str(ROOT / "spark-submit.sh"), job, "--", *arguments],
        env={
            **os.environ,
            **environment,
            "MASTER": "local[2]",
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "SPARK_SUBMIT_OPTIONS": SHORT_JOB,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.integration
@pytest.mark.spark
@pytest.mark.usefixtures("fresh_topics")
def test_sigterm_ends_the_stream_after_its_epoch(
    spark: SparkSession, settings: Settings, environment: dict[str, str]
) -> None:
    workspace = Workspace(spark, settings)
    workspace.promote(people("c-1"))
    workspace.publish(make_campaign(channels=["sms"]))
    workspace.send(TRIGGERS, *[trigger(f"t-{number}") for number in range(20)])
    small = {"CARILLON_STREAM__MAX_OFFSETS_PER_EPOCH": "1", "CARILLON_STREAM__TRIGGER_INTERVAL_MS": "0"}
    with submitted({**environment, **small}, "send_triggered") as process:
        first = next((line for line in process.stdout if '"unit"' in line), "")
        assert '"unit": 0' in first, process.communicate()[1][-3000:]
        wait_until(lambda: len(workspace.objects.list("manifests/")) == 2)
        process.terminate()  # in the middle of the second epoch, which has pinned its manifest
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors[-3000:]
    assert "Traceback" not in out + errors
    finished = 1 + out.count('"unit"')
    assert 2 <= finished < 20
    assert workspace.ledger().count() == finished
    workspace.check()
    # The next start goes on where this one ended.
    workspace.run()
    assert workspace.ledger().count() == 20
    workspace.check()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("job", "arguments", "unreachable", "named"),
    [
        ("send_triggered", (), "CARILLON_KAFKA__BOOTSTRAP_SERVERS", "no answer from Kafka at 127.0.0.1:"),
        ("send_triggered", (), "CARILLON_LAKE__ENDPOINT_URL", "cannot list 'pointers/' in s3a://"),
        (
            "send_campaign",
            ("--campaign", "letter", "--run-id", "r"),
            "CARILLON_LAKE__ENDPOINT_URL",
            "cannot list 'pointers/' in s3a://",
        ),
        (
            "build_audience",
            ("--extract", "s3a://b/x"),
            "CARILLON_LAKE__ENDPOINT_URL",
            "cannot list 'pointers/' in s3a://",
        ),
    ],
)
def test_a_server_that_does_not_answer_is_one_line_and_5(
    environment: dict[str, str], job: str, arguments: tuple[str, ...], unreachable: str, named: str
) -> None:
    address = f"127.0.0.1:{free_port()}"
    where = address if "KAFKA" in unreachable else f"http://{address}"
    began = time.monotonic()
    with submitted({**environment, unreachable: where}, job, *arguments) as process:
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 5, errors[-3000:]
    assert time.monotonic() - began < 90
    # spark-submit writes the driver's two outputs into one.
    said = [line for line in (out + errors).splitlines() if line.startswith("carillon: ")]
    assert [line.startswith(f"carillon: {named}") for line in said] == [True], said
    assert "Traceback" not in out + errors
    assert "\tat org.apache" not in out + errors
