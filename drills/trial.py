"""One pipeline under trial, a stream or a scheduled run: started, disturbed, finished, and judged against its plan.

Invariant: a fault that was asked for and did not happen is an error, never a drill that passed.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from drills.job import Job
from drills.outcome import Outcome, compare
from drills.stage import SCHEDULED, Stage
from examples.records import Record
from pipelines.runs import run_pipeline

KINDS = ("stream", "run")
#: A job that has neither ended nor said anything by then hangs: with two slow cores it takes a minute.
TIMEOUT_S = 400.0


class DrillError(Exception):
    """A drill could not be done as meant; the message says what happened instead."""


def end_of(job: Job) -> int | None:
    """The exit code; None of a job that hangs: that has said nothing for so long. One that works off what many lives
    have left may take as long as it likes."""
    said = -1
    while (code := job.wait(TIMEOUT_S)) is None:
        before, said = said, job.log.stat().st_size
        if said == before:
            return None
    return code


class Trial:
    """A pipeline named after its drill."""

    def __init__(self, stage: Stage, kind: str, name: str) -> None:
        self.stage, self.kind, self.name = stage, kind, name
        self.is_stream = kind == KINDS[0]
        self.pipeline = name if self.is_stream else run_pipeline(SCHEDULED, name)
        self.environment: dict[str, str] = {"CARILLON_STREAM__PIPELINE": name} if self.is_stream else {}
        self.kills = 0
        self.portions = 0
        self.malformed = 0
        #: All records are read a second time, because the checkpoint is gone.
        self.is_read_again = False
        self.recoveries: list[float] = []
        self.faults: list[str] = []
        #: The last fault; what was started after it is a recovery.
        self._disturbed_at: float | None = None
        if self.is_stream:
            stage.empty_inputs()

    def feed(self) -> list[Record]:
        """A portion of traffic with ids of its own; a run has none."""
        self.portions += self.is_stream or not self.portions
        if not self.is_stream:
            return []
        records, malformed = self.stage.feed(f"{self.name}.{self.portions - 1}.")
        self.malformed += malformed
        return records

    def launch(
        self, environment: dict[str, str] | None = None, continuous: bool = False, log: str = ""
    ) -> Job:
        job, arguments = "send_campaign", ["--campaign", SCHEDULED, "--run-id", self.name]
        if self.is_stream:
            job, arguments = "send_triggered", [] if continuous else ["--available-now"]
        variables = {**self.environment, **(environment or {})}
        return self.stage.start(job, arguments, "-".join(filter(None, (self.name, log))), variables)

    def launch_faulty(self, fault: str) -> tuple[Job, Path]:
        """Start with a fault; the file is there as soon as it has happened."""
        mark = self.make_mark()
        variables = {"CARILLON_FAULT": fault, "CARILLON_FAULT_MARK": str(mark)}
        return self.launch(variables, log="faulty"), mark

    def make_mark(self) -> Path:
        """Where a fault leaves its mark; not there yet."""
        mark = (self.stage.logs / f"{self.name}.mark").resolve()
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        return mark

    def die_at(self, fault: str) -> None:
        """Start with the fault and wait for the death it causes."""
        job, mark = self.launch_faulty(fault)
        code = job.wait(TIMEOUT_S)
        job.kill()
        if not mark.exists() or code == 0:
            raise DrillError(f"{self.name}: {fault} killed nobody; exit code {code}: {job.last_line()}")
        self.count_kill()

    def wait_until(self, is_so: Callable[[], bool], job: Job, otherwise: str) -> None:
        """While the job lives; `otherwise` is what went wrong if it does not come to that."""
        ends = time.monotonic() + TIMEOUT_S
        while not is_so():
            if not job.running or time.monotonic() > ends:
                raise DrillError(f"{self.name}: {otherwise}: {job.last_line()}")
            time.sleep(0.05)

    def wait_for_mark(self, mark: Path, job: Job) -> None:
        self.wait_until(mark.exists, job, "the fault was not reached")

    def wait_for_batch(self, job: Job) -> None:
        watcher = self.stage.watcher
        self.wait_until(
            lambda: watcher.first_since(self.pipeline, job.began) is not None, job, "nothing was published"
        )

    def wait_for_take_over(self, job: Job) -> None:
        """Until a job that was started just now is in charge of the pipeline, which it says by a term, or has ended."""
        before = self._terms()
        while job.running and self._terms() == before:
            time.sleep(0.1)

    def _terms(self) -> list[str]:
        return [one.name for one in self.stage.objects.list(f"terms/{self.pipeline}/")]

    def wait_for_open_transaction(self, job: Job) -> None:
        """A worker that is frozen in mid-publish has one, a moment after it left its mark."""
        self.wait_until(self.stage.watcher.has_open_transactions, job, "no transaction is open")

    def forget(self, folder: str, everything: bool = False) -> None:
        """Delete the newest object of a folder (names end in their number), or all of them."""
        found = [one.name for one in self.stage.objects.list(folder.format(pipeline=self.pipeline))]
        if not found:
            raise DrillError(f"{self.name}: there is nothing in {folder}")
        newest = max(found, key=lambda name: int("".join(filter(str.isdigit, name.rpartition("/")[2])) or -1))
        for name in found if everything else [newest]:
            self.stage.objects.delete(name)

    def disturbed(self) -> None:
        """What is started from now on is a recovery."""
        self._disturbed_at = time.monotonic()

    def count_kill(self) -> None:
        self.kills += 1
        self.disturbed()

    def terminate(self, job: Job) -> None:
        job.hand(signal.SIGTERM)
        self.disturbed()

    def finish(self, job: Job | None = None) -> None:
        """Start again, or go on with a job that was started, to its end."""
        began = job or self.launch()
        if self._disturbed_at is None:
            self._time(began)
        code = end_of(began)
        if code != 0:
            began.kill()
            said = "it hangs" if code is None else f"exit code {code}"
            raise DrillError(f"{self.name}: {said}: {began.last_line()} (log: {began.log})")
        self.stage.watcher.catch_up()
        self.note_recovery(began)

    def _time(self, job: Job) -> None:
        """How long the first undisturbed job of a kind takes, to taking over and from there."""
        if self.kind in self.stage.durations:
            return
        self.wait_for_take_over(job)
        taken = time.monotonic()
        job.wait(TIMEOUT_S)
        self.stage.durations[self.kind] = (taken - job.began, time.monotonic() - taken)

    def finish_or_restart(self, job: Job, code: int | None = None) -> None:
        """A job that may have given up, with this code if one is named, is started again."""
        found = job.wait(TIMEOUT_S)
        if found == 0:
            self.finish(job)
            return
        job.kill()
        if code is not None and found != code:
            self.faults.append(f"expected exit code 0 or {code}, found {found}: {job.last_line()}")
        self.disturbed()
        self.finish()

    def note_recovery(self, job: Job) -> None:
        """Keep the time from this restart to its first batch, if it had anything left to publish."""
        first = self.stage.watcher.first_since(self.pipeline, job.began)
        if first is not None and self._disturbed_at is not None and job.began >= self._disturbed_at:
            self.recoveries.append(first)

    def expect_exit(self, job: Job, code: int, words: str) -> None:
        """The job must end with this code and say these words, without a trace."""
        found = job.wait(TIMEOUT_S)
        job.kill()
        if found != code or words not in job.said():
            self.faults.append(f"expected exit code {code} and '{words}', found {found}: {job.last_line()}")
        elif "Traceback (most recent call last)" in job.said():
            self.faults.append(f"exit code {code} as expected, but with a trace")

    def judge(self, seen: Counter[str] | None = None) -> Outcome:
        """Compare what was seen, by default by the committed reader, with the plan, message by message."""
        stage = self.stage
        stage.watcher.catch_up()
        planned = stage.ledger.planned(self.pipeline)
        outcome = compare(self.name, planned, stage.watcher.messages(self.pipeline) if seen is None else seen)
        outcome.kills, outcome.recoveries = self.kills, self.recoveries
        outcome.faults += [
            *self.faults,
            *self._compare_considered(planned.considered),
            *self._compare_letters(),
        ]
        outcome.settle()
        return outcome

    def _compare_letters(self) -> list[str]:
        letters = self.stage.watcher.letters(self.pipeline)
        found = len(letters) if self.is_read_again else letters.total()
        if found == self.malformed:
            return []
        return [f"{self.malformed} malformed records, {found} dead letters"]

    def _compare_considered(self, found: Counter[tuple[str, ...]]) -> list[str]:
        """Everybody whom a calm trial considers, once for each portion of traffic."""
        portion: Counter[tuple[str, ...]] = Counter()
        for (source, *about), count in found.items():
            bare = source.removeprefix(f"{self.name}.").partition(".")[2] if self.is_stream else ""
            portion[(bare, *about)] += count
        expected = self.stage.expected
        if self._disturbed_at is None and self.portions == 1:
            expected.setdefault(self.kind, portion)
        if self.kind not in expected:
            return []
        wanted = Counter({key: count * self.portions for key, count in expected[self.kind].items()})
        if self.is_read_again:
            portion = Counter(
                {key: min(count, wanted[key]) for key, count in portion.items() if key in wanted}
            )
        said = [(wanted - portion, "never"), (portion - wanted, "more often than they occurred")]
        return [f"{counts.total()} candidates were considered {what}" for counts, what in said if counts]
