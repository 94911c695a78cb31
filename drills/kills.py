"""kill -9 of the whole driver at random moments, again and again."""

from __future__ import annotations

import time
from random import Random

from drills.job import Job
from drills.outcome import Outcome, merge
from drills.stage import Stage
from drills.trial import TIMEOUT_S, Trial

#: A run is killed at most so often, then it may finish: most end between two kills before that.
_KILLS_PER_RUN = 10
#: A stream is fed before each life of so many. Lives that begin with a backlog, lives that begin in the middle of an
#: epoch and lives without anything to do are all killed.
_LIVES_PER_PORTION = 3
#: How much of an undisturbed job's work a life may get to, after the driver has taken over. A stream goes on where it
#: was killed, so that one epoch of the two and more of an undisturbed one meets every step.
_SHARE = {"stream": 0.5, "run": 1.0}
#: One kill in so many comes while Java and Spark start: nothing of ours runs yet, so that it tells little.
_EARLY = 12


def kill_runs(stage: Stage, name: str, random: Random, kills: int, budget_s: float) -> Outcome:
    """`kills` random kills, on as many runs as needed; fewer when the time is up."""
    ends = time.monotonic() + budget_s
    trials: list[Trial] = []
    while (left := kills - sum(one.kills for one in trials)) > 0 and time.monotonic() < ends:
        trial = Trial(stage, "run", f"{name}-{len(trials)}")
        trials.append(trial)
        trial.feed()
        ended = None
        while ended is None and trial.kills < min(left, _KILLS_PER_RUN):
            ended = _kill_at_random(trial, random)
        trial.finish(ended)
    # At last and all at once: to have seen everything takes waiting for transactions that the stream's drill left open.
    return merge(name, [trial.judge() for trial in trials])


def kill_stream(stage: Stage, name: str, random: Random, kills: int, budget_s: float) -> Outcome:
    """`kills` random kills of one stream, judged when it has caught up in the end; fewer when the time is up."""
    ends = time.monotonic() + budget_s
    trial = Trial(stage, "stream", name)
    while trial.kills < kills and time.monotonic() < ends:
        if trial.kills % _LIVES_PER_PORTION == 0:
            trial.feed()
        if _kill_at_random(trial, random) is not None:
            trial.faults.append("a stream that nobody asked to stop has ended")
            break
    trial.finish()
    return trial.judge()


def _kill_at_random(trial: Trial, random: Random) -> Job | None:
    """Start, and kill -9 at a moment of its life; the job when it ended before that.

    Starting costs most of the time and is the same each time. So the moment is drawn from what comes after the driver
    has taken over: as long as an undisturbed job worked from there, or a share of it."""
    started, worked = trial.stage.durations[trial.kind]
    job = trial.launch(continuous=True)
    if random.randrange(_EARLY) == 0:
        time.sleep(random.uniform(0.5, 1.0) * started)
    else:
        trial.wait_for_take_over(job)
        time.sleep(random.uniform(0.0, _SHARE[trial.kind]) * worked)
    if not job.kill():
        return job
    trial.note_recovery(job)
    trial.count_kill()
    return None


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
