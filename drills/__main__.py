"""`python -m drills`: run the drills, print a line for each, write the report; exit code 1 when one did not pass.

Invariant: the report is written after every drill, so that whoever stops it keeps what was measured.
"""

from __future__ import annotations

import argparse
import fnmatch
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from drills.catalog import DRILLS, Drill, Options
from drills.continued import code_digest, lacking, read_outcomes, what_is_left
from drills.job import reap
from drills.outcome import Outcome, merge
from drills.report import document, write
from drills.stage import Stage, StageError
from drills.trial import DrillError
from embedded import EmbeddedError
from pipelines.errors import InputError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--kills", type=int, help="random kills in all, 3 in 10 of them on runs (default: 200)"
    )
    parser.add_argument("--run-kills", type=int, default=60, help="random kills of runs (default: 60)")
    parser.add_argument(
        "--stream-kills", type=int, default=140, help="random kills of the stream (default: 140)"
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=14_400.0,
        metavar="SECONDS",
        help="start no drill after this (default: 4 h)",
    )
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="drills by name, such as 'stream-s3-*'"
    )
    parser.add_argument("--customers", type=int, default=1_500, help="size of the audience (default: 1500)")
    parser.add_argument("--seed", type=int, default=7, help="of every random choice (default: 7)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the report (default: out)")
    parser.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="keep what the report in --out has of the same code, and do what it lacks",
    )
    parser.add_argument("--list", action="store_true", help="name the drills and stop")
    parsed = parser.parse_args(arguments)
    if parsed.kills is not None:
        parsed.run_kills = parsed.kills * 3 // 10
        parsed.stream_kills = parsed.kills - parsed.run_kills
    parsed.chosen = choose(parsed.only or ["*"])
    if not parsed.chosen:
        parser.error(f"no drill is named like {', '.join(parsed.only)}; --list names them")
    return parsed


def choose(patterns: Sequence[str]) -> list[Drill]:
    """The drills with such names, and the undisturbed ones of their kinds: what they are compared with."""
    named = {one.name for one in DRILLS if any(fnmatch.fnmatchcase(one.name, text) for text in patterns)}
    calm = {f"{name.partition('-')[0]}-undisturbed" for name in named}
    return [one for one in DRILLS if one.name in named | calm]


def try_together(
    drills: Sequence[Drill], stage: Stage, options: Options, before: Mapping[str, Outcome]
) -> list[Outcome]:
    """The outcomes of drills that are tried at the same time; to one of `before` is added."""
    outcomes: dict[str, Outcome] = {}

    def try_one(drill: Drill) -> None:
        outcomes[drill.name] = _try(drill, stage, options, before.get(drill.name))

    # The first in this thread, so that whoever stops the drills unwinds it; the threads of others end with the process.
    beside = [threading.Thread(target=try_one, args=(drill,), daemon=True) for drill in drills[1:]]
    try:
        for thread in beside:
            thread.start()
        try_one(drills[0])
        for thread in beside:
            thread.join()
    finally:
        # Orphaned workers end by themselves a moment after their JVM; nothing may go on into the next drill.
        reap(stage.tag)
    return [outcomes[one.name] for one in drills]


def _try(drill: Drill, stage: Stage, options: Options, before: Outcome | None) -> Outcome:
    """The outcome; a drill that could not be done is one that did not pass."""
    began = time.monotonic()
    try:
        # Its own sequence for each drill, the same kills whichever others are chosen; one that goes on makes others.
        seed = f"{options.seed}/{drill.name}" + (f"/{before.kills}" if before else "")
        outcome = drill.run(stage, Random(seed), options)
    except Exception as error:
        if not isinstance(error, DrillError | TimeoutError):
            traceback.print_exc()
        outcome = Outcome(drill.name, faults=[f"{type(error).__name__}: {error}"])
    outcome.seconds = time.monotonic() - began
    return merge(drill.name, [before, outcome]) if before else outcome


def in_groups(drills: Sequence[Drill]) -> list[list[Drill]]:
    """Drills that stand next to each other and do not mind are tried together; the others alone."""
    groups: list[list[Drill]] = []
    for drill in drills:
        if groups and drill.beside_others and groups[-1][-1].beside_others:
            groups[-1].append(drill)
        else:
            groups.append([drill])
    return groups


def main(arguments: list[str]) -> int:
    parsed = parse_arguments(arguments)
    if parsed.list:
        print("\n".join(f"{drill.name:28} {drill.about}" for drill in parsed.chosen))
        return 0
    # Whoever stops the drills stops their jobs and servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ends = time.monotonic() + parsed.budget
    about = {drill.name: drill.about for drill in DRILLS}
    asked = {"run-random-kills": parsed.run_kills, "stream-random-kills": parsed.stream_kills}
    code = code_digest()

    def report() -> dict[str, Any]:
        left = [one.name for one in lacking(parsed.chosen, outcomes, asked)]
        return document(outcomes.values(), left, parsed.seed, code)

    outcomes: dict[str, Outcome] = {}
    try:
        if parsed.goes_on:
            outcomes |= read_outcomes(parsed.out, code)
        todo, begun = what_is_left(parsed.chosen, outcomes, asked)
        kills = {name: n - (begun[name].kills if name in begun else 0) for name, n in asked.items()}
        if todo:
            with Stage(parsed.out, parsed.customers, parsed.seed) as stage:
                for group in in_groups(todo):
                    left_s = ends - time.monotonic()
                    if left_s <= 0:
                        break
                    options = Options(parsed.seed, kills, left_s)
                    for outcome in try_together(group, stage, options, begun):
                        outcomes[outcome.name] = outcome
                        show(outcome)
                    write(parsed.out, report(), about)
    except (StageError, EmbeddedError, InputError) as error:
        print(f"drills: {error}", file=sys.stderr)
        return 2
    totals, left = report()["totals"], report()["not_done"]
    unfinished = f", {len(left)} not done or not to the end: no time was left" if left else ""
    print(f"{totals['passed']} of {totals['drills']} drills passed{unfinished}; {parsed.out}/drills.html")
    return 0 if not left and totals["passed"] == totals["drills"] else 1


def show(outcome: Outcome) -> None:
    recovery = "" if outcome.recovery_s is None else f", first batch after {outcome.recovery_s} s"
    print(
        f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.name}: {outcome.kills} kills, planned {outcome.planned}, "
        f"seen {outcome.seen}, duplicates {outcome.duplicates}, missing {outcome.missing}{recovery} "
        f"({outcome.seconds:.0f} s)",
        *[f"\n       {fault}" for fault in outcome.faults],
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
