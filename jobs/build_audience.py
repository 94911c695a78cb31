"""Turn a raw extract on S3 into the next audience snapshot, try it against its expectations, and promote it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime, timezone

import conf
from jobs import _door
from jobs._servers import ask_s3
from jobs._session import open_session
from pipelines.edges.promotion import build_audience


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_audience", description=__doc__)
    parser.add_argument(
        "--extract", required=True, metavar="URI", help="a folder of Parquet files, s3a://BUCKET/FOLDER"
    )
    parser.add_argument("--as-of", metavar="TIME", help="when the extract was taken, RFC 3339 (default: now)")
    parser.add_argument(
        "--accept-row-count", action="store_true", help="the number of rows is meant, however different"
    )
    parser.add_argument(
        "--env", default="local", help="the environment in conf/environments (default: local)"
    )
    parsed = parser.parse_args(arguments)
    if fault := _fault_of(parsed.extract):
        parser.error(fault)
    parsed.as_of = parsed.as_of or datetime.now(timezone.utc).isoformat()
    try:
        if datetime.fromisoformat(parsed.as_of.replace("Z", "+00:00")).tzinfo is None:
            raise ValueError
    except ValueError:
        parser.error(
            f"--as-of '{parsed.as_of}' is not an RFC 3339 time with a zone, such as 2026-03-01T09:00:00Z"
        )
    return parsed


def _fault_of(uri: str) -> str | None:
    """What is known to be wrong with the extract's place before Spark starts, and says so in a trace."""
    scheme, colon, place = uri.partition("://")
    if not uri.strip():
        return "--extract is empty: name a folder of Parquet files, s3a://BUCKET/FOLDER or a local one"
    if colon and scheme in ("s3", "s3n"):
        return f"--extract '{uri}': Spark reads S3 as s3a://{place}"
    if colon and scheme in ("http", "https"):
        return f"--extract '{uri}': Spark reads no folder over {scheme}; name s3a://BUCKET/FOLDER or a local folder"
    return None


def build(arguments: argparse.Namespace) -> None:
    settings = conf.load(arguments.env)
    ask_s3(settings)
    spark = open_session("build-audience", settings)
    try:
        snapshot = build_audience(
            spark,
            settings,
            arguments.extract,
            arguments.as_of.replace("Z", "+00:00"),
            arguments.accept_row_count,
        )
        print(json.dumps(asdict(snapshot)), flush=True)
    finally:
        spark.stop()


def main(arguments: list[str]) -> int:
    parsed = parse_arguments(arguments)
    return _door.run(lambda: build(parsed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
