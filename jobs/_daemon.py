"""The daemon that forks a local driver's Python workers; Spark starts it as `python -m jobs._daemon pyspark.worker`.

Invariant: what the workers need is imported before they are forked. pyspark's own daemon imports nothing: each of a
run's four workers would load pandas, pyarrow and the rooms anew, and walk through all of it after each task
(`gc.collect`). Local masters alone: on a cluster the rooms arrive with the tasks, after the daemon's start.
"""

from __future__ import annotations

import gc
import importlib
import sys

from pyspark import daemon

#: The rest comes with these: they hold the functions that run on workers.
_MODULES = (
    "pandas",  # pyarrow looks for it when it first makes an array
    "pyarrow.dataset",
    "pyspark.worker",
    "pipelines.addresses",
    "pipelines.dead_letters",
    "pipelines.deciding",
    "pipelines.decide.frames",
    "pipelines.publishing",
    "pipelines.recipients",
)


def main(worker: str) -> None:
    """Fork workers until Spark closes the pipe. Spark has other daemons, for questions that need nothing of this."""
    if worker == "pyspark.worker":
        for module in _MODULES:
            importlib.import_module(module)
        gc.freeze()
    daemon.manager()


if __name__ == "__main__":
    main(sys.argv[1])
