"""Run the README's commands as a stranger would, in this checkout, which `.ci/run` has cloned: one block after the
other.

Invariant: every fenced `sh` block is run as it stands, and one that fails fails CI. `make test` is left out, because CI
runs it on its own; `make dev` stays up in the background, and what it prints is the environment of the blocks after it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN_BY_CI = {"make test"}
SERVERS = "make dev"
SERVERS_WAIT_S = 120


def commands() -> list[str]:
    """All commands of the README, in order."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def start_servers(environment: dict[str, str]) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """The servers, and the environment with what they printed."""
    process = subprocess.Popen(
        shlex.split(SERVERS),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    exported = dict(environment)
    deadline = time.monotonic() + SERVERS_WAIT_S
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        found = re.match(r"export (\w+)=(.*)", line)
        if found:
            exported[found.group(1)] = "".join(shlex.split(found.group(2)))
        if "CARILLON_LINKS__SIGNING_KEY" in exported:
            return process, exported
    process.kill()
    raise SystemExit(f"'{SERVERS}' printed no environment within {SERVERS_WAIT_S} s")


def main() -> int:
    environment = {k: v for k, v in os.environ.items() if not (k.startswith("CARILLON_") and "__" in k)}
    servers: subprocess.Popen[str] | None = None
    try:
        for command in commands():
            if command in RUN_BY_CI:
                continue
            print(f"\n$ {command}", flush=True)
            began = time.monotonic()
            if command == SERVERS:
                servers, environment = start_servers(environment)
                continue
            # A login shell's word splitting, as when a person pastes the line.
            code = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment).returncode
            print(f"-> exit code {code}, {time.monotonic() - began:.0f} s", flush=True)
            if code != 0:
                return 1
    finally:
        if servers is not None:
            os.killpg(servers.pid, signal.SIGTERM)
            servers.wait(timeout=60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
