"""`carillon dev`: the embedded servers with topics and bucket, left up until Ctrl-C.

Invariant: what it prints on standard output can be evaluated by a shell; what is for people goes to standard
error.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dev")(dev)


def dev(
    env_file: Annotated[
        Path | None, typer.Option(help="Also write the environment to this file, removed at the end.")
    ] = None,
) -> None:
    """Start Kafka and S3 on free loopback ports, with topics and bucket, until Ctrl-C."""
    from conf.spark import SHORT_JOB
    from embedded.jars import ensure_all
    from embedded.servers import EmbeddedServers

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    # Explicit for SIGINT too: a shell without job control starts background commands with it ignored.
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    ensure_all(tell)
    tell("starting Kafka and S3 ...")
    with EmbeddedServers() as servers:
        # What is tried here lasts for seconds; who has options of their own keeps them.
        options = os.environ.get("SPARK_SUBMIT_OPTIONS") or SHORT_JOB
        variables = {"SPARK_SUBMIT_OPTIONS": options, **servers.environment()}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        if env_file is not None:
            env_file.write_text("\n".join([*exports, ""]), encoding="utf-8")
        print("\n".join(exports), flush=True)
        tell(
            f"Kafka {servers.kafka.bootstrap_servers}, S3 {servers.s3.endpoint_url}, logs {servers.work_dir}"
        )
        tell(
            "Set the environment above in another terminal for carillon and spark-submit.sh. Ctrl-C ends it."
        )
        try:
            servers.wait_while_running()
        except KeyboardInterrupt:
            tell("stopping")
        finally:
            if env_file is not None:
                env_file.unlink(missing_ok=True)


def interrupt(*_: object) -> None:
    """A signal handler that ends a command as Ctrl-C does."""
    raise KeyboardInterrupt
