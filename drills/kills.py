"""kill -9 of the whole driver at random moments, again and again."""

from __future__ import annotations

import time
from random import Random

from drills.job import Job
from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import TIMEOUT_S, Trial

#: A run is killed this often before it may finish.
KILLS_PER_RUN = 4
#: Nothing of ours runs before this share of a job: Java starts.
_START = 0.25


def kill_runs(stage: Stage, name: str, random: Random, kills: int, budget_s: float) -> Outcome:
    """`kills` random kills, on as many runs as needed; fewer when the time is up."""
    ends = time.monotonic() + budget_s
    outcomes: list[Outcome] = []
    number = 0
    while sum(one.kills for one in outcomes) < kills and time.monotonic() < ends:
        trial = Trial(stage, "run", f"{name}-{number}")
        trial.feed()
        for _ in range(KILLS_PER_RUN):
            if not _kill_at_random(trial, random):
                break
        trial.finish()
        outcomes.append(trial.judge())
        number += 1
    return merge(name, outcomes)


def kill_stream(stage: Stage, name: str, random: Random, kills: int, budget_s: float) -> Outcome:
    """`kills` random kills of one stream that is fed whenever it has caught up; fewer when the time is up."""
    ends = time.monotonic() + budget_s
    trial = Trial(stage, "stream", name)
    trial.feed()
    while trial.kills < kills and time.monotonic() < ends:
        # Every third time, so that lives that start with a backlog and lives that start without are both killed.
        if not _kill_at_random(trial, random) or trial.kills % 3 == 0:
            trial.feed()
    trial.finish()
    return trial.judge()


def _kill_at_random(trial: Trial, random: Random) -> bool:
    """Start, and kill -9 at a moment of its life; False when it ended before that."""
    whole = trial.stage.durations.get(trial.kind, 30.0)
    job = trial.launch()
    time.sleep(random.uniform(_START, 1.0) * whole)
    was_running = job.kill()
    if was_running:
        trial.count_kill()
    trial.note_recovery(job)
    return was_running


def merge(name: str, outcomes: list[Outcome]) -> Outcome:
    """The sum of several trials of one drill."""
    merged = Outcome(name)
    for one in outcomes:
        merged.kills += one.kills
        merged.planned += one.planned
        merged.seen += one.seen
        merged.duplicates += one.duplicates
        merged.missing += one.missing
        merged.recoveries += one.recoveries
        merged.faults += [f"{one.name}: {fault}" for fault in one.faults]
    merged.settle()
    return merged


def two_drivers(stage: Stage, name: str) -> Outcome:
    """A stream's driver freezes before it publishes, a second one does the work, the first wakes up."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    older, mark = trial.launch_faulty("before-publish:freeze:1")
    trial.wait_for_mark(mark, older)
    trial.disturbed()
    trial.finish()
    older.resume()
    trial.expect_exit(older, 4, "was taken over by a younger driver")
    return trial.judge()


def two_starts(stage: Stage, name: str) -> Outcome:
    """One run, started twice at once: one finishes it, the other ends well or says that it was taken over."""
    trial = Trial(stage, "run", name)
    trial.feed()
    jobs = [trial.launch(), trial.launch(log="second")]
    codes = [job.wait(TIMEOUT_S) for job in jobs]
    trial.faults += [_explain(code, job) for code, job in zip(codes, jobs, strict=True) if code not in (0, 4)]
    if 0 not in codes:
        trial.faults.append(f"neither of two starts finished the run: exit codes {codes}")
    if any("Traceback (most recent call last)" in job.said() for job in jobs):
        trial.faults.append("a start that lost shows a trace")
    trial.disturbed()
    trial.finish()
    return trial.judge()


def _explain(code: int | None, job: Job) -> str:
    job.kill()
    return f"exit code {code}: {job.last_line()}"
