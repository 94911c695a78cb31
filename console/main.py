"""The entry of the `carillon` command: one module per command, listed in COMMANDS.

Invariant: starting it imports nothing heavy (`carillon --help` in under 0.5 s), and a user's mistake ends in
one line and exit code 2, never in a stack trace. A command module has `register(app)` and imports what it
needs inside.
"""

from __future__ import annotations

import importlib
import sys

import typer

# Order is the order of `carillon --help`.
COMMANDS: tuple[str, ...] = (
    "demo",
    "dev",
    "validate",
    "render",
    "publish",
    "topics",
    "produce",
    "consume",
    "status",
    "control",
    "dead_letters",
    "explain",
    "why_not",
    "suppress",
    "erase",
    "compact",
    "make_up",
    "recall",
    "rerender",
)

# Errors that are the user's to fix, as module and class. An error that was raised comes from a module that
# is loaded: looking them up in sys.modules keeps those that were not needed from being imported.
USER_ERRORS: tuple[tuple[str, str], ...] = (
    ("conf.errors", "ConfError"),
    ("conf.spark", "JarsMissingError"),
    ("embedded.errors", "EmbeddedError"),
    ("console.broker", "BrokerError"),
    ("console.demo_children", "DemoError"),
    ("console.produce", "InvalidLinesError"),
    ("pipelines.campaigns.errors", "CampaignError"),
    ("pipelines.edges.objects", "StorageError"),
    ("pipelines.edges.progress", "ProgressUnreadableError"),
    ("pipelines.edges.replaying", "OtherReplayError"),
    ("pipelines.edges.transactions", "PublishError"),
    ("pipelines.errors", "InputError"),
    ("pipelines.errors", "ServerError"),
)


def make_app() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="carillon",
        help="Campaign messaging on Spark: publish campaigns, run them, and see who got what and why.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # With one command only, typer would drop its name.
    app.callback()(lambda: None)
    for name in COMMANDS:
        importlib.import_module(f"console.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; exit code 0, 1 (bug or failed check), 2 (the user's mistake) or 130 (Ctrl-C)."""
    try:
        make_app()()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        print(f"carillon: {told}", file=sys.stderr)
        sys.exit(2)


def _told(error: Exception) -> str | None:
    """The line for a user's mistake; None for a bug."""
    kinds = [getattr(sys.modules.get(module), name, None) for module, name in USER_ERRORS]
    if isinstance(error, tuple(kind for kind in kinds if kind is not None)):
        return str(error)
    if isinstance(error, OSError):
        from embedded.errors import file_problem

        return file_problem(error)
    return None


if __name__ == "__main__":
    main()
