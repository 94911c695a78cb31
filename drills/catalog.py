"""All drills, in the order they are run: cheap and telling ones first, so that a short budget still says much.

Invariant: a drill's name is its pipeline's, its run id's and its log's. The two undisturbed ones come first: all others
are compared with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from drills import clocks, disks, executors, kills, points, ruled, sending, servers
from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import KINDS, Trial
from pipelines.edges.faultpoints import POINTS, WORKER_POINTS


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    seed: int
    #: How many random kills to make, by the drill's name.
    kills: Mapping[str, int]
    budget_s: float


@dataclass(frozen=True)
class Drill:
    """A named drill; `about` is what its row of the report says."""

    name: str
    about: str
    run: Callable[[Stage, Random, Options], Outcome]
    #: Whether it may be tried at the same time as its neighbours that may too: it leaves alone what they share.
    beside_others: bool = False


def _undisturbed(kind: str) -> Drill:
    def run(stage: Stage, _random: Random, _options: Options) -> Outcome:
        trial = Trial(stage, kind, f"{kind}-undisturbed")
        trial.feed()
        trial.finish()
        return trial.judge()

    return Drill(f"{kind}-undisturbed", "nothing happens: what the others are compared with", run)


def _at_point(kind: str, point: str) -> Drill:
    name = f"{kind}-{point}"
    # A stream dies in its second epoch, and in the middle of an epoch's transactions.
    nth = 2 if kind == "stream" or point in WORKER_POINTS else 1

    def run(stage: Stage, _random: Random, _options: Options) -> Outcome:
        if point in ruled.DYING:
            return ruled.DYING[point](stage, name, kind, nth)
        return points.die_at_point(stage, name, kind, point, nth).judge()

    return Drill(name, f"kill -9 of the driver at {point}; restarted with other settings", run)


def _each_kind(
    suffix: str, about: str, run: Callable[[Stage, str, str, Random], Outcome]
) -> tuple[Drill, ...]:
    def bind(kind: str) -> Drill:
        name = f"{kind}-{suffix}"
        return Drill(name, about, lambda stage, random, _options: run(stage, name, kind, random))

    return tuple(bind(kind) for kind in KINDS)


def _stream(suffix: str, about: str, run: Callable[[Stage, str, Random], Outcome]) -> Drill:
    name = f"stream-{suffix}"
    return Drill(name, about, lambda stage, random, _options: run(stage, name, random))


def _run(suffix: str, about: str, run: Callable[[Stage, str, Random], Outcome]) -> Drill:
    name = f"run-{suffix}"
    return Drill(name, about, lambda stage, random, _options: run(stage, name, random))


DRILLS: tuple[Drill, ...] = (
    *[_undisturbed(kind) for kind in KINDS],
    *[_at_point(kind, point) for point in POINTS for kind in KINDS],
    _stream(
        "lost-commit", "Spark's commit and the result are deleted", lambda s, n, _: points.lose_commit(s, n)
    ),
    _stream(
        "lost-checkpoint-recorded",
        "checkpoint deleted after the ledger, before publishing",
        lambda s, n, _: servers.delete_checkpoint(s, n, "before-publish:kill-job:2"),
    ),
    _stream(
        "lost-checkpoint-midway",
        "checkpoint deleted in the middle of publishing",
        lambda s, n, _: servers.delete_checkpoint(s, n, "mid-publish:kill-job:3"),
    ),
    _stream(
        "damaged-checkpoint",
        "a truncated file is refused, the folder then deleted",
        lambda s, n, _: servers.damage_checkpoint(s, n),
    ),
    _stream(
        "two-drivers", "a second driver while the first is frozen", lambda s, n, _: kills.two_drivers(s, n)
    ),
    Drill(
        "run-started-twice",
        "one run id, two starts at once",
        lambda stage, _random, _options: kills.two_starts(stage, "run-started-twice"),
    ),
    # An epoch is published by the driver: only a run has workers and executors to lose.
    _run(
        "worker-mid-publish",
        "kill -9 of a Python worker with its transaction open",
        lambda s, n, _: points.lose_worker_at_point(s, n, "run", "mid-publish"),
    ),
    _run(
        "worker-after-commit",
        "kill -9 of a Python worker after its commit, before it reports",
        lambda s, n, _: points.lose_worker_at_point(s, n, "run", "after-commit"),
    ),
    _run(
        "executor-mid-publish",
        "kill -9 of an executor with its transaction open, on a standalone Spark with two",
        lambda s, n, _: executors.lose_executor(s, n, "run", "mid-publish"),
    ),
    _run(
        "executor-after-commit",
        "kill -9 of an executor after its commit, before it reports",
        lambda s, n, _: executors.lose_executor(s, n, "run", "after-commit"),
    ),
    _run(
        "workers",
        "kill -9 of Python workers at random",
        lambda s, n, random: points.lose_workers(s, n, "run", random),
    ),
    *_each_kind("sigterm", "SIGTERM while it publishes", lambda s, n, k, _: points.terminate(s, n, k)),
    *_each_kind(
        "broker-killed",
        "kill -9 of the broker with a transaction open",
        lambda s, n, k, _: servers.broker_killed(s, n, k),
    ),
    *_each_kind(
        "transaction-expired",
        "who publishes freezes until the broker gives its transaction up",
        lambda s, n, k, _: points.expire_transaction(s, n, k),
    ),
    *_each_kind(
        "broker-gone", "no broker for 60 s", lambda s, n, k, _: servers.broker_gone(s, n, k, seconds=60.0)
    ),
    *[
        drill
        for fault in servers.S3_FAULTS
        for drill in _each_kind(
            f"s3-{fault}",
            f"S3: {fault} in some requests",
            lambda s, n, k, random, fault=fault: servers.s3_faulty(s, n, k, fault, random),  # type: ignore[misc] # a default binds the loop's value
        )
    ],
    _stream(
        "checkpoint-disk-full",
        "no space left for the checkpoint, at three moments",
        lambda s, n, _: disks.fill_checkpoint(s, n),
    ),
    *_each_kind(
        "local-disk-full",
        "no space left for Spark's own files",
        lambda s, n, k, _: disks.fill_local_disk(s, n, k),
    ),
    *_each_kind(
        "clock-jump",
        "kill -9, each life on another clock: 2 h ahead, 2 h behind, a day late",
        lambda s, n, k, _: clocks.jump(s, n, k),
    ),
    _stream("burst", "everything again in another order among 500 malformed records", servers.burst),
    _stream("grown-topics", "topics grew before the restart", lambda s, n, _: servers.grow_topics(s, n)),
    _stream(
        "sender-crash",
        "kill -9 of the sender between delivering and its commit to Kafka, at four points",
        lambda s, n, _: sending.crash_sender(s, n),
    ),
    Drill(
        "run-random-kills",
        "kill -9 at random moments",
        lambda s, random, o: kills.kill_runs(
            s, "run-random-kills", random, o.kills["run-random-kills"], o.budget_s
        ),
        beside_others=True,
    ),
    Drill(
        "stream-random-kills",
        "kill -9 at random moments",
        lambda s, random, o: kills.kill_stream(
            s, "stream-random-kills", random, o.kills["stream-random-kills"], o.budget_s
        ),
        beside_others=True,
    ),
)
