"""Differential fuzzing without end: `python -m tests.pipelines.render.fuzz [--cases N] [--seed S]`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from random import Random

from tests.pipelines.render.differential import differences
from tests.pipelines.render.grammar import case


def main() -> int:
    """Runs until a difference, a given number of cases, or an interrupt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=0, help="stop after so many cases (0: never)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true", help="report differences and go on")
    options = parser.parse_args()
    started, seed, wrong = time.monotonic(), options.seed, 0
    while options.cases == 0 or seed < options.seed + options.cases:
        template, batch, html = case(Random(seed))
        try:
            found = differences({"t": template}, "t", batch, html=html)
        except Exception as error:  # a crash is a difference too
            found = [f"crash: {type(error).__name__}: {error}", traceback.format_exc(limit=-3)]
        if found:
            wrong += 1
            sys.stdout.write(f"seed {seed} html={html}\n{template}\n  " + "\n  ".join(found[:4]) + "\n")
            if not options.keep_going:
                return 1
        seed += 1
        if seed % 1000 == 0:
            rate = (seed - options.seed) / (time.monotonic() - started)
            sys.stdout.write(f"{seed - options.seed} cases, {rate:.0f} a second, {wrong} differences\n")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
