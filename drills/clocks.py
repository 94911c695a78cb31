"""The clock jumps between two lives of a driver: what was decided stays as it was decided, whatever time it is now."""

from __future__ import annotations

from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import Trial

#: How many seconds the clock is off in each life, and the point at which that life ends; in the last one it is right.
#: Two hours ahead, two behind, a day late.
JUMPS: tuple[tuple[int, str], ...] = (
    (7_200, "after-ledger:kill-job:1"),
    (-7_200, "mid-publish:kill-job:2"),
    (-86_400, "before-result:kill-job:1"),
)


def jump(stage: Stage, name: str, kind: str) -> Outcome:
    """Each life begins at another time, and dies. Only what units pin jumps, not Java's clock and not the broker's:
    libfaketime, which would move them too, breaks the sleep of Python 3.11."""
    trial = Trial(stage, kind, name)
    trial.feed()
    for seconds, fault in JUMPS:
        trial.environment["CARILLON_FAULT_CLOCK"] = str(seconds)
        trial.die_at(fault)
    del trial.environment["CARILLON_FAULT_CLOCK"]
    trial.finish()
    return trial.judge()
