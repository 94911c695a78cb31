"""The report of the drills: `drills.json`, and a page that shows the same to a person.

Invariant: what was not done is in the report as not done; totals are sums of the rows shown. The page loads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from drills.outcome import Outcome

_NUMBERS = ("kills", "planned", "seen", "duplicates", "missing")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Carillon: drills</title>
<style>
:root {{ color-scheme: light dark; --rule: #8884; --bad: #c62828; --good: #2e7d32; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
tr.bad td:first-child {{ color: var(--bad); font-weight: 600; }} tr.good td:first-child {{ color: var(--good); }}
tfoot td {{ font-weight: 600; }} .about {{ opacity: .75; }}
</style></head><body>
<h1>Drills</h1>
<p>{verdict}</p>
<table><thead><tr><th>Drill</th><th>What happens</th><th class="n">Kills</th><th class="n">Planned</th>
<th class="n">Seen</th><th class="n">Duplicates</th><th class="n">Missing</th><th class="n">Recovery</th></tr></thead>
<tbody>{rows}</tbody><tfoot>{foot}</tfoot></table>
<p class="about">Planned: messages whose last decision in the ledger is to send. Seen: messages in send batches, each as
often as a read-committed consumer saw it. Recovery: seconds from a restart to its first published batch, starting Java
and Spark included; the median of a drill's restarts, and over all of them.</p>
{skipped}</body></html>
"""


def document(outcomes: Collection[Outcome], skipped: list[str], seed: int, code: str) -> dict[str, Any]:
    """The content of `drills.json`. `code`: a digest of what was tried."""
    recoveries = [one for outcome in outcomes for one in outcome.recoveries]
    totals: dict[str, Any] = {name: sum(getattr(one, name) for one in outcomes) for name in _NUMBERS}
    totals |= {
        "drills": len(outcomes),
        "passed": sum(one.passed for one in outcomes),
        "recoveries": len(recoveries),
        "recovery_s_median": round(median(recoveries), 2) if recoveries else None,
        "recovery_s_worst": round(max(recoveries), 2) if recoveries else None,
        "random_kills_run": sum(one.kills for one in outcomes if one.name == "run-random-kills"),
        "random_kills_stream": sum(one.kills for one in outcomes if one.name == "stream-random-kills"),
    }
    return {
        "drills": [
            {
                "name": one.name,
                **{name: getattr(one, name) for name in _NUMBERS},
                "recovery_s": one.recovery_s,
                "recoveries_s": one.recoveries,
                "passed": one.passed,
                "faults": one.faults,
                "seconds": round(one.seconds, 1),
            }
            for one in outcomes
        ],
        "not_done": skipped,
        "seed": seed,
        "code": code,
        "totals": totals,
    }


def page(report: dict[str, Any], about: dict[str, str]) -> str:
    """The same as HTML."""
    totals = report["totals"]
    good = totals["passed"] == totals["drills"] and not report["not_done"]
    verdict = (
        f"{totals['passed']} of {totals['drills']} drills passed: {totals['planned']:,} messages planned, "
        f"{totals['seen']:,} seen, {totals['duplicates']} duplicates, {totals['missing']} missing, after "
        f"{totals['kills']} kills, {totals['random_kills_run'] + totals['random_kills_stream']} of them at random "
        f"moments ({totals['random_kills_run']} of runs)."
    )
    if totals["recoveries"]:
        verdict += (
            f" From a restart to its first batch: median {totals['recovery_s_median']:.1f} s, worst "
            f"{totals['recovery_s_worst']:.1f} s."
        )
    skipped = "".join(f"<li>{escape(name)}</li>" for name in report["not_done"])
    return _PAGE.format(
        verdict=verdict if good else f"<strong>{verdict}</strong>",
        rows="\n".join(_row(one, about.get(one["name"], "")) for one in report["drills"]),
        foot=_cells("", "All", "", {**totals, "recovery_s": totals["recovery_s_median"]}),
        skipped=f"<h2>Not done, or not to the end: no time was left</h2><ul>{skipped}</ul>"
        if skipped
        else "",
    )


def write(folder: Path, report: dict[str, Any], about: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drills.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (folder / "drills.html").write_text(page(report, about), encoding="utf-8")


def _row(one: dict[str, Any], about: str) -> str:
    said = "".join(f"<br><strong>{escape(fault)}</strong>" for fault in one["faults"])
    return _cells("good" if one["passed"] else "bad", escape(one["name"]), escape(about) + said, one)


def _cells(kind: str, name: str, about: str, numbers: dict[str, Any]) -> str:
    recovery = numbers["recovery_s"]
    counts = "".join(f'<td class="n">{numbers[column]:,}</td>' for column in _NUMBERS)
    shown = "" if recovery is None else f"{recovery:.1f} s"
    return f'<tr class="{kind}"><td>{name}</td><td class="about">{about}</td>{counts}<td class="n">{shown}</td></tr>'
