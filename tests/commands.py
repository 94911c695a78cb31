"""The `carillon` command in this process, as a shell would call it."""

from __future__ import annotations

from typer.testing import CliRunner

from console.main import make_app


def carillon(environment: dict[str, str], *arguments: str) -> list[str]:
    """The lines it prints. Raises what the command raises."""
    done = CliRunner(env=environment).invoke(make_app(), arguments)
    if done.exception is not None:
        raise done.exception
    return done.stdout.splitlines()
