"""The most memory a scheduled run holds, as it grows: the job itself, started as a user starts it.

Invariant: each run is a process of its own. What counts is the resident memory of spark-submit's whole tree (JVM,
driver, Python workers), each process at its own high water, added up; servers are not part of it.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench.decide import label, peak_memory_mb
from bench.delivered import check_delivered
from bench.job import RunningJob
from bench.mailing import SCHEDULED, customers_for
from bench.report import Report
from bench.stage import Stage
from schemas.channels import channel as channel_named

#: Between two looks; a high water mark outlives its moment: only the last instants of a process are missed.
_LOOK_S = 0.2


def measure_memory(stage: Stage, report: Report, channel: str, sizes: list[int]) -> None:
    """One run for each size."""
    report.begin("memory", {"channel": channel, "messages": sizes})
    for messages in sizes:
        stage.promote(customers_for(messages, channel))
        topic = channel_named(channel).topic
        stage.empty(topic)
        log = Path("out/bench") / f"memory-{label(messages)}.log"
        peak, seconds = _run(stage, SCHEDULED[channel].campaign_id, f"memory-{messages}", log)
        check_delivered(stage.client, topic, messages, f"the job (log: {log})")
        report.add("peak_memory_mb", {label(messages): peak})
        report.add("job_s", {label(messages): round(seconds, 1)})


def _run(stage: Stage, campaign_id: str, run_id: str, log: Path) -> tuple[int, float]:
    began, peak = time.monotonic(), 0
    arguments = ("--campaign", campaign_id, "--run-id", run_id)
    with RunningJob("send_campaign", stage.environment, log, *arguments) as job:
        while job.is_running:
            peak = max(peak, peak_memory_mb(job.pid))
            time.sleep(_LOOK_S)
    return peak, time.monotonic() - began
