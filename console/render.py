"""`carillon render`: one template file over JSON lines, without Spark.

Invariant: prints one JSON result a line and nothing else on standard output. Exit codes: 0 done, 1 a
difference between the engines, 2 a wrong template or wrong data. Does not read a campaign's
configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("render")(render)


def render(
    template: Annotated[Path, typer.Argument(help="The template file.", exists=True, dir_okay=False)],
    data: Annotated[
        Path | None, typer.Option(help="Rows, one JSON object a line; '-' reads standard input.")
    ] = None,
    html: Annotated[bool, typer.Option(help="Escape values for HTML.")] = False,
    locale: Annotated[str, typer.Option(help="Locale of rows that name none.")] = "en",
    engine: Annotated[str, typer.Option(help="compiled or jinja2.")] = "compiled",
    compare: Annotated[
        bool, typer.Option(help="Render with both engines; exit with 1 at a difference.")
    ] = False,
    schema: Annotated[bool, typer.Option(help="Print what the template reads, and render nothing.")] = False,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="PATH=timestamp, date or decimal: what JSON has no type for. Repeatable."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that includes are named from.")] = None,
) -> None:
    """Render a template over rows; each output line is {"row", "text"} or {"row", "error"}."""
    from pipelines.render import RenderContext, TemplateError, tool

    if engine not in ("compiled", "jinja2"):
        _fail(f"unknown engine {engine!r}: use 'compiled' or 'jinja2'")
    try:
        name, sources = tool.sources_beside(template, root)
        if schema:
            for path in tool.reads(name, sources, html=html):
                typer.echo(path)
            return
        if data is None:
            _fail("no rows: give --data rows.jsonl, or --data - for standard input")
            return
        text = sys.stdin.read() if str(data) == "-" else data.read_text(encoding="utf-8")
        rows = tool.typed(tool.read_rows(text.split("\n"), str(data)), types or ())
        context = RenderContext(locale=locale)
        if compare:
            difference = tool.first_difference(name, sources, rows, html=html, context=context)
            if difference is not None:
                typer.echo(tool.json_line(difference))
                raise typer.Exit(1)
        chosen = "jinja2" if engine == "jinja2" else "compiled"
        for result in tool.render_lines(name, sources, rows, html=html, context=context, engine=chosen):  # type: ignore[arg-type]  # checked above
            typer.echo(tool.json_line(result))
    except (TemplateError, tool.DataError, OSError, UnicodeDecodeError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    typer.echo(f"carillon: {message}", err=True)
    raise typer.Exit(2)
