"""The last step: a sender dies between delivering and telling Kafka, and each message is still delivered once."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from drills.dying_sender import POINTS
from drills.job import ROOT, TAG
from drills.outcome import Outcome
from drills.stage import Stage
from drills.trial import TIMEOUT_S, DrillError, Trial


def crash_sender(stage: Stage, name: str) -> Outcome:
    """One life of the sender for each point at which it dies, then one that ends; all with one group and directory."""
    trial = Trial(stage, "stream", name)
    trial.feed()
    trial.finish()
    directory = stage.logs / f"{name}-received"
    shutil.rmtree(directory, ignore_errors=True)
    for point in POINTS:
        _send(stage, directory, ["drills.dying_sender", point], -signal.SIGKILL)
        trial.count_kill()
    _send(stage, directory, ["senders.reference"], 0)
    delivered = _delivered(directory)
    published = stage.watcher.all_messages()
    if delivered != published:
        trial.faults.append(
            f"of all messages on the topics {(delivered - published).total()} were delivered again and "
            f"{(published - delivered).total()} never"
        )
    own = stage.watcher.messages(name)
    return trial.judge(Counter({one: count for one, count in delivered.items() if one in own}))


def _send(stage: Stage, directory: Path, module: list[str], code: int) -> None:
    command = [sys.executable, "-m", *module, "--out", str(directory), "--until-idle", "2"]
    with (stage.logs / f"{directory.name}.log").open("ab") as log:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**stage.environment, TAG: stage.tag},
            stdout=log,
            stderr=log,
            timeout=TIMEOUT_S,
        )
    if done.returncode != code:
        raise DrillError(
            f"{' '.join(module)} ended with {done.returncode}, expected {code} (log: {log.name})"
        )


def _delivered(directory: Path) -> Counter[str]:
    """How often each message reached its recipient: a line for each SMS and push, a file for each email."""
    counts = Counter(path.stem for path in directory.glob("email/*/*.eml"))
    for file in directory.glob("*.jsonl"):
        if file.stem in ("sms", "push"):
            counts.update(json.loads(line)["message_id"] for line in file.read_text("utf-8").splitlines())
    return counts
