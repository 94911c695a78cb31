"""Publishing, from the decision to the topic: `python -m bench.publish`. Writes out/bench/publish.json.

On real servers of this machine, in one run: a scheduled run of emails and of SMS against the naive job and Spark's
Kafka sink (`bench.sides`), the latency of the stream (`bench.latency`), the memory of a run (`bench.memory`). Every
size is an option; `--only` measures one part and leaves the others' figures in the file. docs/benchmarks.md says what
each figure means.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from bench.latency import measure_latency
from bench.memory import measure_memory
from bench.report import Report
from bench.sides import Sides, measure
from bench.stage import Stage
from embedded.servers import EmbeddedServers

OUT = Path("out/bench/publish.json")
PARTS = ("email", "sms", "latency", "memory")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.publish", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given again")
    parser.add_argument("--emails", type=int, default=400_000, help="emails of a run")
    parser.add_argument("--sms", type=int, default=2_000_000, help="SMS of a run")
    parser.add_argument("--naive-emails", type=int, default=40_000, help="emails of the naive job")
    parser.add_argument("--naive-sms", type=int, default=200_000, help="SMS of the naive job")
    parser.add_argument("--rounds", type=int, default=2, help="how often each side runs, in turn")
    parser.add_argument(
        "--sink-compressions", default="none,lz4,zstd", help="Spark's sink: the better one counts"
    )
    parser.add_argument("--customers", type=int, default=1_000_000, help="the stream's audience")
    parser.add_argument("--triggers-per-s", type=int, default=200)
    parser.add_argument("--latency-s", type=int, default=120, help="seconds of triggers that count")
    parser.add_argument("--warm-up-s", type=int, default=60, help="seconds of triggers before them")
    parser.add_argument(
        "--memory", default="200000,2000000", help="recipients of the runs whose memory is read"
    )
    parser.add_argument("--memory-channel", choices=("email", "sms"), default="email")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    parts = options.only or PARTS
    report = Report(OUT, shlex.join(["python", "-m", "bench.publish", *arguments]))
    with EmbeddedServers() as servers, tempfile.TemporaryDirectory(prefix="carillon-bench-") as scratch:
        stage = Stage(servers)
        asked = {"email": (options.emails, options.naive_emails), "sms": (options.sms, options.naive_sms)}
        for channel, (messages, naive_messages) in asked.items():
            if channel in parts:
                sizes = {"messages": messages, "naive_messages": naive_messages, "rounds": options.rounds}
                report.begin(channel, sizes)
                sides = Sides(stage, channel, Path(scratch), options.sink_compressions.split(","))
                measure(sides, stage, report, channel, sizes)
        if "latency" in parts:
            measure_latency(stage, report, options)
        if "memory" in parts:
            sizes_of_runs = [int(one) for one in options.memory.split(",")]
            measure_memory(stage, report, options.memory_channel, sizes_of_runs)
        stage.spark.stop()
    print(f"written to {OUT}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
