"""A driver of its own process that runs campaigns one after the other, each upon a line on standard input.

`python -m tests.integration.capped_driver NAME CAMPAIGN...`; the lake and Kafka come from the environment, as in a job.
"""

from __future__ import annotations

import sys

import conf
from pipelines.edges.scheduled import run_campaign
from tests.integration.appending_driver import open_session


def main(name: str, campaigns: list[str]) -> None:
    settings = conf.load("local")
    spark = open_session(name, settings)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    # The first read pays for classes and connections, so that the race starts warm.
    spark.read.format("delta").load(settings.lake.uri("audience")).count()
    print("ready", flush=True)
    for campaign_id in campaigns:
        sys.stdin.readline()
        result = run_campaign(spark, settings, campaign_id, "1")
        sent = sum(line["sent"] for line in result["campaigns"][campaign_id].values())
        print(f"sent {sent}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
