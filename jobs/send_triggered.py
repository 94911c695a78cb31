"""Read triggers and customer events from Kafka, decide, and publish send batches, epoch by epoch, until stopped."""

from __future__ import annotations

import argparse
import json
import sys

import conf
from jobs import _door, _stopping
from jobs._servers import ask_both
from jobs._session import open_session
from pipelines.edges.stream import TriggeredStream


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="send_triggered", description=__doc__)
    parser.add_argument(
        "--env", default="local", help="the environment in conf/environments (default: local)"
    )
    parser.add_argument("--available-now", action="store_true", help="work on what is there now, then exit")
    return parser.parse_args(arguments)


def send_triggered(arguments: argparse.Namespace) -> None:
    settings = conf.load(arguments.env)
    ask_both(settings)
    spark = open_session("send-triggered", settings)
    try:
        stopping = _stopping.listen(spark)
        stream = TriggeredStream(spark, settings, report=lambda result: print(json.dumps(result), flush=True))
        stream.run(arguments.available_now, stopping)
    finally:
        spark.stop()


def main(arguments: list[str]) -> int:
    parsed = parse_arguments(arguments)
    return _door.run(lambda: send_triggered(parsed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
