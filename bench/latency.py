"""From trigger to topic in the running stream, by Kafka's own clock.

The job runs as a process, started as a user starts it, with the interval of the local environment; an even stream of
triggers goes to `campaign.triggers`, each answered by one email. The latency of a trigger is the timestamp of the batch
that holds its message less that of its own record. Both topics are set to LogAppendTime, so one broker's clock stamps
both, when it has appended the record; the transaction ends, and readers of committed records see it, some milliseconds
after the last batch of its chunk.

Invariant: every trigger after the warm-up is answered by exactly one message, or there is no figure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from bench.delivered import NotDeliveredError, read_committed
from bench.job import RunningJob
from bench.mailing import TRIGGERED, consents_to_reminders
from bench.report import Report
from bench.stage import Stage
from pipelines.identity import uuid5

_LOG = Path("out/bench/latency.log")
_IN, _OUT = "campaign.triggers", "email.send-batches"
#: How long the stream may take to answer all that was asked; its start is the longest.
_WAIT_S = 240.0
#: Coprime to any audience that is a power of ten: triggers are spread over all of it.
_STRIDE = 7_919


def measure_latency(stage: Stage, report: Report, options: argparse.Namespace) -> None:
    """p50, p95 and p99 in milliseconds."""
    rate, warm_up_s, counted_s = options.triggers_per_s, options.warm_up_s, options.latency_s
    sizes = {"customers": options.customers, "triggers_per_s": rate}
    report.begin("latency", {**sizes, "warm_up_s": warm_up_s, "counted_s": counted_s})
    stage.promote(options.customers)
    for name in (_IN, _OUT, "customer.events"):
        stage.empty(name)
    _stamp_by_broker(stage.client, (_IN, _OUT))
    with RunningJob("send_triggered", stage.environment, _LOG) as job:
        # The warm-up begins when the first second of triggers has been answered, however long the start took.
        first = _send(stage.client, "first", options.customers, rate, 1, job)
        _wait_for(first, job)
        warm = _send(stage.client, "warm", options.customers, rate, warm_up_s, job)
        counted = _send(stage.client, "counted", options.customers, rate, counted_s, job)
        _wait_for(first + warm + counted, job)
    found = sorted(_latencies(stage.client, "counted").values())
    if len(found) != counted:
        raise NotDeliveredError(f"{len(found)} of {counted} triggers were answered; log: {_LOG}")
    report.add("latency_ms", {f"p{share}": found[len(found) * share // 100] for share in (50, 95, 99)})
    report.add("latency", {"triggers": counted, "max_ms": found[-1]})


def _send(
    client: Mapping[str, str],
    prefix: str,
    customers: int,
    rate: int,
    seconds: int,
    job: RunningJob,
) -> int:
    """So many triggers a second, evenly; how many there were."""
    producer = Producer({**client, "linger.ms": "0"})
    began, sent, number = time.monotonic(), 0, 0
    while sent < rate * seconds:
        if not job.is_running:
            raise NotDeliveredError(f"the stream has ended; log: {_LOG}")
        due = min(int((time.monotonic() - began) * rate) + 1, rate * seconds)
        while sent < due:
            number += 1
            customer = number * _STRIDE % customers
            if consents_to_reminders(customer):
                trigger = {
                    "trigger_id": f"{prefix}-{sent}",
                    "campaign_id": TRIGGERED.campaign_id,
                    "customer_id": f"c-{customer}",
                    "occurred_at": "2026-03-01T09:00:00Z",
                    "data": {"plan": "basic"},
                }
                producer.produce(_IN, value=json.dumps(trigger).encode(), key=f"c-{customer}".encode())
                sent += 1
        producer.poll(0)
        time.sleep(0.002)
    if producer.flush(30.0):
        raise NotDeliveredError("the broker did not take the triggers")
    return sent


def _wait_for(triggers: int, job: RunningJob) -> None:
    """Until the stream has said that so many messages are published; its word costs nothing to hear."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline and job.is_running:
        if _published() >= triggers:
            return
        time.sleep(0.5)
    raise NotDeliveredError(f"{_published()} of {triggers} triggers were answered in time; log: {_LOG}")


def _published() -> int:
    total = 0
    for line in _LOG.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith('{"pipeline"'):
            books = json.loads(line)["campaigns"].get(TRIGGERED.campaign_id, {})
            total += sum(counts["published"] for counts in books.values())
    return total


def _latencies(client: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Milliseconds by message id, of the triggers with that prefix."""
    asked = {}
    for record in read_committed(client, _IN):
        trigger = json.loads(record.value() or b"")
        if trigger["trigger_id"].startswith(prefix):
            key = uuid5(TRIGGERED.campaign_id, trigger["trigger_id"], trigger["customer_id"], "email")
            asked[key] = record.timestamp()[1]
    found: dict[str, int] = {}
    for record in read_committed(client, _OUT):
        for message in json.loads(record.value() or b"")["messages"]:
            message_id = message["message_id"]
            if message_id in found:
                raise NotDeliveredError(f"message {message_id} is on the topic twice")
            if message_id in asked:
                found[message_id] = record.timestamp()[1] - asked[message_id]
    return found


def _stamp_by_broker(client: Mapping[str, str], topics: tuple[str, ...]) -> None:
    entry = ConfigEntry(
        "message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET
    )
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in topics]
    admin = AdminClient(dict(client))  # must outlive its futures
    for future in admin.incremental_alter_configs(resources).values():
        future.result(30.0)
