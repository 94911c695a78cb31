"""Send again to those whom a finished run planned and no sender acknowledged; idempotent for a run."""

from __future__ import annotations

import argparse
import json
import sys

import conf
from jobs import _door
from jobs._servers import ask_both
from jobs._session import open_session
from pipelines.edges.makeup import make_up


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make_up", description=__doc__)
    parser.add_argument(
        "--run",
        required=True,
        metavar="CAMPAIGN/RUN_ID",
        help="the finished run, as carillon status names it",
    )
    parser.add_argument(
        "--env", default="local", help="the environment in conf/environments (default: local)"
    )
    return parser.parse_args(arguments)


def make_up_run(arguments: argparse.Namespace) -> None:
    settings = conf.load(arguments.env)
    ask_both(settings)
    spark = open_session("make-up", settings)
    try:
        print(json.dumps(make_up(spark, settings, arguments.run, _door.say)), flush=True)
    finally:
        spark.stop()


def main(arguments: list[str]) -> int:
    parsed = parse_arguments(arguments)
    return _door.run(lambda: make_up_run(parsed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
