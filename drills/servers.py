"""Drills in which Kafka, S3 or a checkpoint fails, not the job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import Random

from confluent_kafka.admin import AdminClient, NewPartitions

from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import Trial
from embedded.faulty_s3 import Fault, FaultyS3
from examples.malformed import MALFORMED
from examples.records import Record

#: What S3 answers in each drill, and in how many of a thousand requests.
S3_FAULTS: dict[str, tuple[Fault, int]] = {
    "500": (Fault(status=500, error_code="InternalError"), 40),
    "503": (Fault(status=503, error_code="SlowDown"), 40),
    "slow": (Fault(delay_s=1.5), 50),
    "reset": (Fault(lose_reply=True), 25),
}


def broker_killed(stage: Stage, name: str, kind: str) -> Outcome:
    """kill -9 of the broker while a transaction is open; it is back when the worker goes on."""
    trial = Trial(stage, kind, name)
    trial.feed()
    job, mark = trial.launch_faulty("mid-publish:freeze:2")
    trial.wait_for_mark(mark, job)
    trial.wait_for_open_transaction(job)
    stage.servers.kafka.kill()
    trial.count_kill()
    stage.servers.kafka.start()
    job.resume()
    trial.finish_or_restart(job)
    return trial.judge()


def broker_gone(stage: Stage, name: str, kind: str, seconds: float) -> Outcome:
    """No broker for a while in the middle of publishing."""
    trial = Trial(stage, kind, name)
    trial.feed()
    job, mark = trial.launch_faulty("mid-publish:freeze:2")
    trial.wait_for_mark(mark, job)
    trial.wait_for_open_transaction(job)
    stage.servers.kafka.stop()
    job.resume()
    time.sleep(seconds)
    stage.servers.kafka.start()
    trial.disturbed()
    trial.finish_or_restart(job)
    return trial.judge()


def s3_faulty(stage: Stage, name: str, kind: str, fault: str, random: Random) -> Outcome:
    """S3 fails for some requests; the job retries, or stops with code 5 and is started again on a quiet S3."""
    trial = Trial(stage, kind, name)
    trial.feed()
    what, per_mille = S3_FAULTS[fault]
    met = 0

    def rule(_method: str, _path: str, _headers: Mapping[str, str]) -> Fault | None:
        nonlocal met
        if random.randrange(1000) >= per_mille:
            return None
        met += 1
        return what

    with FaultyS3(stage.servers.s3.endpoint_url, rule) as door:
        job = trial.launch({"CARILLON_LAKE__ENDPOINT_URL": door.endpoint_url})
        trial.disturbed()
        trial.finish_or_restart(job, code=5)
    if not met:
        trial.faults.append("no request has met the fault")
    return trial.judge()


def burst(stage: Stage, name: str, random: Random) -> Outcome:
    """Every record again in another order, and a burst of malformed ones in between, while the stream dies once."""
    trial = Trial(stage, "stream", name)
    records = trial.feed()
    again = random.sample(records, len(records))
    poison = [
        Record(way.topic, b"poison", way.make(number, "2026-03-01T09:00:00Z"))
        for number in range(500 // len(MALFORMED))
        for way in MALFORMED
    ]
    mixed = again + poison
    random.shuffle(mixed)
    stage.send(mixed)
    trial.portions += 1
    trial.malformed = 2 * trial.malformed + len(poison)
    trial.die_at("after-ledger:kill-job:2")
    trial.finish()
    return trial.judge()


def grow_topics(stage: Stage, name: str) -> Outcome:
    """Between death and restart the topics got more partitions."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    trial.die_at("mid-publish:kill-job:3")
    admin = AdminClient(stage.settings.kafka.librdkafka())
    topics = admin.list_topics(timeout=10.0).topics
    names = ("campaign.triggers", "email.send-batches", "sms.send-batches", "push.send-batches")
    wanted = [NewPartitions(topic, len(topics[topic].partitions) + 2) for topic in names]
    for grown in admin.create_partitions(wanted).values():
        grown.result(30.0)
    trial.feed()
    trial.finish()
    return trial.judge()


def delete_checkpoint(stage: Stage, name: str, point: str) -> Outcome:
    """The checkpoint is gone after a death: what was recorded is finished, what was sent is not sent again."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    trial.die_at(point)
    trial.forget("checkpoints/{pipeline}/", everything=True)
    # Every record is read again: refused ones are refused again, and everybody is considered once more.
    trial.is_read_again = True
    trial.finish()
    return trial.judge()


def damage_checkpoint(stage: Stage, name: str) -> Outcome:
    """A truncated file in the checkpoint is refused; with the checkpoint removed nothing is sent again."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    trial.finish()
    for folder in ("offsets", "commits"):
        listed = [item.name for item in stage.objects.list(f"checkpoints/{name}/{folder}/")]
        # The folder may be an object, too.
        newest = max(
            (one for one in listed if not one.endswith("/")), key=lambda one: int(one.rpartition("/")[2])
        )
        whole = stage.objects.read(newest) or b""
        stage.objects.write(newest, whole[: len(whole) // 2])
        trial.expect_exit(trial.launch(), 2, f"{newest.rpartition('/')[0].rpartition('/')[2]}/")
        stage.objects.write(newest, whole)
    trial.forget("checkpoints/{pipeline}/", everything=True)
    trial.is_read_again = True
    trial.disturbed()
    trial.finish()
    return trial.judge()
