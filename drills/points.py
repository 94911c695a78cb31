"""Drills at the named points of a unit: the whole job, or one Python worker, dies there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import Random

from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import TIMEOUT_S, DrillError, Trial

#: As on a cluster, where a task is tried four times; `local[*]` gives up a job with its first failed task.
RETRYING = {"MASTER": "local[2,4]"}

#: What somebody changes between death and restart: how records are cut into epochs, and messages into transactions.
CHANGED = {
    "CARILLON_STREAM__MAX_OFFSETS_PER_EPOCH": "1000",
    "CARILLON_PUBLISH__MESSAGES_PER_TRANSACTION": "23",
}


def die_at_point(
    stage: Stage, name: str, kind: str, point: str, nth: int, environment: Mapping[str, str] | None = None
) -> Trial:
    """The job dies at the point and is started again, with other settings: what it had begun goes on as it began.
    `environment`: what it needs to get to the point."""
    trial = Trial(stage, kind, name)
    trial.environment |= environment or {}
    trial.feed()
    trial.die_at(f"{point}:kill-job:{nth}")
    trial.environment |= CHANGED
    trial.finish()
    return trial


def lose_worker_at_point(stage: Stage, name: str, kind: str, point: str) -> Outcome:
    """One worker dies at the point; the job itself has to go on."""
    trial = Trial(stage, kind, name)
    trial.environment |= RETRYING
    trial.feed()
    job, mark = trial.launch_faulty(f"{point}:kill:2")
    trial.finish(job)
    if not mark.exists():
        raise DrillError(f"{name}: no worker has reached {point}")
    trial.count_kill()
    return trial.judge()


def lose_workers(stage: Stage, name: str, kind: str, random: Random, kills: int = 3) -> Outcome:
    """Workers are killed from outside while the job works; it may give up, and is then started again."""
    trial = Trial(stage, kind, name)
    trial.environment |= RETRYING
    trial.feed()
    job = trial.launch()
    ends = time.monotonic() + TIMEOUT_S
    while job.running and trial.kills < kills and time.monotonic() < ends:
        if workers := job.workers():
            time.sleep(random.uniform(0.0, 1.0))
            trial.kills += job.kill_worker(random.choice(workers))
        time.sleep(0.2)
    if not trial.kills:
        raise DrillError(f"{name}: there was no worker to kill")
    trial.disturbed()
    trial.finish_or_restart(job)
    return trial.judge()


def expire_transaction(stage: Stage, name: str, kind: str) -> Outcome:
    """A worker freezes with its transaction open, until the broker gives that up; then it goes on."""
    trial = Trial(stage, kind, name)
    trial.environment |= {**RETRYING, "CARILLON_PUBLISH__TRANSACTION_TIMEOUT_MS": "5000"}
    trial.feed()
    job, mark = trial.launch_faulty("mid-publish:freeze:2")
    trial.wait_for_mark(mark, job)
    watcher = stage.watcher
    trial.wait_for_open_transaction(job)
    trial.wait_until(lambda: not watcher.has_open_transactions(), job, "the transaction did not expire")
    trial.disturbed()
    job.resume()
    trial.finish_or_restart(job)
    return trial.judge()


def lose_commit(stage: Stage, name: str) -> Outcome:
    """Everything was published, and neither Spark's commit nor the result was written: only the markers are left."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    trial.finish()
    trial.forget("checkpoints/{pipeline}/commits/")
    trial.forget("results/{pipeline}/")
    trial.disturbed()
    trial.finish()
    return trial.judge()


def terminate(stage: Stage, name: str, kind: str) -> Outcome:
    """SIGTERM in the middle of publishing: a stream ends its epoch first, a run is resumed."""
    trial = Trial(stage, kind, name)
    trial.feed()
    job = trial.launch(continuous=True)
    trial.wait_for_batch(job)
    trial.feed()
    time.sleep(1.0)
    trial.terminate(job)
    code = job.wait(TIMEOUT_S)
    job.kill()
    if trial.is_stream and code != 0:
        trial.faults.append(f"SIGTERM: the stream ended with {code}: {job.last_line()}")
    trial.finish()
    return trial.judge()
