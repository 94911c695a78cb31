"""Drills in which the rules of the house cap and hold: the driver dies in its turn, or with its holds just written.

Invariant: what was held is decided anew, once each: whom the release considers is who was held, whatever died between.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from drills.outcome import Outcome, compare, merge
from drills.points import die_at_point
from drills.stage import Stage
from drills.trial import TIMEOUT_S, DrillError, Trial
from pipelines.releases import release_pipeline

#: All drills write to the same customers: the period is shorter than the start of a job, and longer than its epochs.
CAPPED = {"CARILLON_DECIDE__FREQUENCY_CAPS": '[{"at_most": 1, "per": "10 seconds"}]'}
#: On everybody's clock it is quiet from the time of day that it was in UTC an hour ago, for 18 hours: much of America
#: is awake.
_QUIET = (timedelta(hours=-1), timedelta(hours=17))
#: By then it has been loud everywhere.
_DAY_LATER = {"CARILLON_FAULT_CLOCK": "86400"}


def die_in_turn(stage: Stage, name: str, kind: str, nth: int) -> Outcome:
    """The driver dies between its decisions about capped customers and their append; the next one has the turn."""
    return die_at_point(stage, name, kind, "in-turn", nth, CAPPED).judge()


def die_holding(stage: Stage, name: str, kind: str, nth: int) -> Outcome:
    """The driver dies when the holds are written; a day later the stream releases them, those of a run too."""
    # Its stream releases what a run holds.
    environment = {"CARILLON_STREAM__PIPELINE": name, **_quiet(datetime.now(timezone.utc))}
    trial = die_at_point(stage, name, kind, "after-holds", nth, environment)
    return merge(name, [trial.judge(), _release(trial)])


def _quiet(now: datetime) -> dict[str, str]:
    since, until = (f"{now + distance:%H:%M}" for distance in _QUIET)
    return {"CARILLON_DECIDE__QUIET_FROM": since, "CARILLON_DECIDE__QUIET_TO": until}


def _release(trial: Trial) -> Outcome:
    """What became of the holds, once nothing is quiet any more."""
    stage, name = trial.stage, trial.name
    if not trial.is_stream:
        stage.empty_inputs()
    variables = {"CARILLON_STREAM__PIPELINE": name, **_DAY_LATER}
    job = stage.start("send_triggered", ["--available-now"], f"{name}-release", variables)
    if job.wait(TIMEOUT_S) != 0:
        job.kill()
        raise DrillError(f"{name}: the release failed: {job.last_line()} (log: {job.log})")
    stage.watcher.catch_up()
    pipeline = release_pipeline(name)
    held, released = stage.ledger.planned(trial.pipeline).held, stage.ledger.planned(pipeline)
    outcome = compare("release", released, stage.watcher.messages(pipeline))
    said = [(held - released.considered, "never"), (released.considered - held, "more often than held")]
    outcome.faults += [f"{found.total()} holds were released {how}" for found, how in said if found]
    return outcome


#: Points that are reached only where something caps or holds.
DYING: dict[str, Callable[[Stage, str, str, int], Outcome]] = {
    "in-turn": die_in_turn,
    "after-holds": die_holding,
}
