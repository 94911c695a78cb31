"""Run one scheduled campaign: decide for its whole audience and publish; idempotent for (campaign, run id)."""

from __future__ import annotations

import argparse
import json
import sys

import conf
from jobs import _door
from jobs._servers import ask_both
from jobs._session import open_session
from pipelines.edges.scheduled import run_campaign


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="send_campaign", description=__doc__)
    parser.add_argument("--campaign", required=True, metavar="KEY", help="the campaign_id, as published")
    parser.add_argument(
        "--run-id", required=True, metavar="ID", help="names this run; the same id resumes it"
    )
    parser.add_argument(
        "--env", default="local", help="the environment in conf/environments (default: local)"
    )
    return parser.parse_args(arguments)


def send_campaign(arguments: argparse.Namespace) -> None:
    settings = conf.load(arguments.env)
    ask_both(settings)
    spark = open_session("send-campaign", settings)
    try:
        result = run_campaign(spark, settings, arguments.campaign, arguments.run_id, _door.say)
        print(json.dumps(result), flush=True)
    finally:
        spark.stop()


def main(arguments: list[str]) -> int:
    parsed = parse_arguments(arguments)
    return _door.run(lambda: send_campaign(parsed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
