"""The clock jumps between two lives of a driver, by libfaketime: Java, Python and the Kafka clients all see it."""

from __future__ import annotations

from pathlib import Path

from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import DrillError, Trial

#: What the clock says at each start, and the point at which that life ends; the last one has the right time.
JUMPS: tuple[tuple[str, str], ...] = (
    ("+2h", "after-ledger:kill-job:1"),
    ("-2h", "mid-publish:kill-job:2"),
    ("-1d", "before-result:kill-job:1"),
)
_LIBRARY = "lib/*/faketime/libfaketime.so.1"


def jump(stage: Stage, name: str, kind: str) -> Outcome:
    """Each life begins at another time, and dies; what was decided stays as it was decided."""
    trial = Trial(stage, kind, name)
    trial.feed()
    for offset, fault in JUMPS:
        trial.environment |= faked(offset)
        trial.die_at(fault)
    for variable in faked("0"):
        del trial.environment[variable]
    trial.finish()
    return trial.judge()


def faked(offset: str) -> dict[str, str]:
    """The variables with which a process sees a clock that is so far off."""
    found = sorted(Path("/usr").glob(_LIBRARY))
    if not found:
        raise DrillError("a clock that jumps takes libfaketime: install the package faketime")
    # Waiting goes by the monotonic clock, which no jump touches.
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
