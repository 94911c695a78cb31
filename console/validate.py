"""`carillon validate`: checks campaign folders and tells how their templates will run.

Invariant: every problem of every campaign is printed with file, key path or line and a way to fix it; the
exit code is 2 when there is one. Reads files only: no Spark, no Kafka, no S3.
"""

from __future__ import annotations

import json as json_module
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from conf import SmsLimits
    from pipelines.campaigns.survey import TemplateSurvey


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)


def validate(
    folder: Annotated[Path, typer.Argument(help="A campaign's folder, or a folder of campaigns.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    env: Annotated[
        str | None, typer.Option(help="Estimate what SMS costs by this environment's price.")
    ] = None,
) -> None:
    """Check campaigns, and show for each template how much of it is vectorised."""
    from console.workspace import campaign_folders

    price = _sms_of(env)
    reports = [_report(path, price) for path in campaign_folders(folder)]
    if json:
        typer.echo(json_module.dumps({"campaigns": reports}, ensure_ascii=False, indent=2))
    else:
        for report in reports:
            _print(report)
        bad = sum(not report["ok"] for report in reports)
        typer.echo(f"{_count(len(reports), 'campaign')}: {len(reports) - bad} OK, {bad} refused")
    if not all(report["ok"] for report in reports):
        raise typer.Exit(2)


def _sms_of(env: str | None) -> SmsLimits | None:
    if env is None:
        return None
    import conf

    return conf.load(env).channels.sms


def _report(path: Path, price: SmsLimits | None) -> dict[str, Any]:
    from pipelines.campaigns import CampaignError, load_folder
    from pipelines.campaigns.survey import survey, warnings

    try:
        campaign = load_folder(path)
    except CampaignError as error:
        problems = [problem.as_dict() | {"text": str(problem)} for problem in error.problems]
        return {"campaign": path.name, "ok": False, "problems": problems}
    surveys = survey(campaign)
    return {
        "campaign": campaign.campaign_id,
        "ok": True,
        "version": campaign.digest,
        "templates": [_describe(one, price) for one in surveys],
        "warnings": [str(warning) for warning in warnings(surveys)],
    }


def _describe(one: TemplateSurvey, price: SmsLimits | None) -> dict[str, Any]:
    described = {
        "template": one.name,
        "source_bytes": one.source_bytes,
        "vectorised_share": round(one.coverage.share, 4),
        "fallbacks": [
            {
                "template": fallback.template,
                "line": fallback.line,
                "what": fallback.what,
                "reason": fallback.reason,
            }
            for fallback in one.coverage.fallbacks
        ],
        "notes": list(one.coverage.notes),
    }
    if one.segments is not None:
        cost = None if price is None else price.cost(one.segments)
        described["sms"] = {"segments": one.segments, "encoding": one.encoding, "cost": cost}
    return described


def _print(report: dict[str, Any]) -> None:
    if not report["ok"]:
        typer.echo(f"{report['campaign']}: {_count(len(report['problems']), 'problem')}")
        for problem in report["problems"]:
            typer.echo(f"  {problem['text']}")
        return
    typer.echo(f"{report['campaign']}: OK, version {report['version'][:12]}")
    width = max(len(one["template"]) for one in report["templates"])
    for one in report["templates"]:
        share = f"{floor(100 * one['vectorised_share'])} %".rjust(5)
        typer.echo(
            f"  {one['template'].ljust(width)} {share} vectorised, {one['source_bytes']:>7,} bytes{_sms(one)}"
        )
        for fallback in one["fallbacks"]:
            place = f"{fallback['template']} line {fallback['line']}"
            typer.echo(f"      row by row: {place}: {fallback['what']}: {fallback['reason']}")
    for warning in report["warnings"]:
        typer.echo(f"  warning: {warning}")


def _sms(one: dict[str, Any]) -> str:
    """An SMS's segments before any data, and what they cost."""
    sms = one.get("sms")
    if sms is None:
        return ""
    cost = f", from {sms['cost']} a message" if sms["cost"] else ""
    return f", {_count(sms['segments'], 'segment')} of {sms['encoding']} before data{cost}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
