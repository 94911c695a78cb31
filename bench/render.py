"""Rows rendered a second on one core, by engine and template: `python -m bench.render` (`make bench-
render`).

Every engine gets the same Arrow batch and must give an Arrow array of texts; all are timed in turn, in
one process, pinned to one core, and the median of the rounds counts. Texts are compared with Jinja2's
first. The limit is one `binary_join_element_wise` over the pieces that Carillon's own final join gets.
Writes out/bench/render.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import DictLoader, Environment, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from bench.templates import CASES, SCHEMA, Case, rows
from pipelines.render import compile_template
from pipelines.render.execute import Run, joined
from pipelines.render.frame import Frame

BATCH_ROWS = 2000
OUT = Path("out/bench/render.json")
Engine = Callable[[pa.RecordBatch], Any]


def jinja(case: Case, kind: type[Environment]) -> Engine:
    """Jinja2 as people call it from an Arrow function: one call a row."""
    environment = kind(
        loader=DictLoader(case.sources),
        undefined=StrictUndefined,
        autoescape=case.html,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    template = environment.get_template("t")
    return lambda batch: pa.array([template.render(row) for row in batch.to_pylist()], pa.string())


def minijinja(case: Case) -> Engine | None:
    """minijinja, where it is installed and knows the template's tags."""
    try:
        module: Any = importlib.import_module("minijinja")
        environment = module.Environment(templates=dict(case.sources), undefined_behavior="strict")
        environment.auto_escape_callback = lambda _: case.html
        environment.keep_trailing_newline = False
        environment.render_template("t", **rows(1).to_pylist()[0])
    except Exception as error:  # not installed, or a tag it does not have
        print(f"  {case.name}: no minijinja ({str(error).splitlines()[0][:90]})")
        return None
    render = environment.render_template
    return lambda batch: pa.array([render("t", **row) for row in batch.to_pylist()], pa.string())


def carillon(case: Case) -> tuple[Engine, Any]:
    """The compiled template."""
    template = compile_template("t", case.sources, html=case.html, schema=SCHEMA)
    return (lambda batch: template.render(batch).text), template


def limit(template: Any, batch: pa.RecordBatch) -> Engine:
    """Only the final join of the pieces."""
    program = template._program(batch.schema)
    run = Run(Frame.of_batch(program.domain, batch))
    pieces = [p for p in run.pieces(program.block, run.frame, None) if not isinstance(p, str) or p]
    assert joined(pieces) is not None
    return lambda _: pc.binary_join_element_wise(*pieces, "")


def once(engine: Engine, batches: list[pa.RecordBatch]) -> float:
    """Rows a second over the batches."""
    started = time.perf_counter()
    for batch in batches:
        engine(batch)
    taken = time.perf_counter() - started
    rendered: int = sum(b.num_rows for b in batches)
    return rendered / taken


def measure(case: Case, rounds: int) -> dict[str, float]:
    """The median rate of each engine, taken in turn."""
    batches = [rows(BATCH_ROWS, seed) for seed in range(5)]
    compiled, template = carillon(case)
    engines: dict[str, Engine | None] = {
        "jinja2_sandboxed": jinja(case, SandboxedEnvironment),
        "jinja2": jinja(case, Environment),
        "minijinja": minijinja(case),
        "carillon": compiled,
    }
    assert engines["jinja2"] is not None
    if compiled(batches[0]).to_pylist() != engines["jinja2"](batches[0]).to_pylist():
        raise SystemExit(f"{case.name}: the texts differ from Jinja2's")
    coverage = template.coverage
    print(
        f"  {case.name}: {coverage.share:.0%} of nodes vectorised, {len(compiled(batches[0])[0].as_py())} characters"
    )
    engines["limit"] = limit(template, batches[0])
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, engine in engines.items():
            if engine is not None:
                fast = name in ("carillon", "limit")
                rates.setdefault(name, []).append(once(engine, batches * 4 if fast else batches[:1]))
    return {name: statistics.median(held) for name, held in rates.items()}


def machine() -> dict[str, Any]:
    """What this was measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "cores_used": 1,
        "system": f"{platform.system()} {platform.release()}",
    }


def main() -> int:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="one template's name")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    versions = {
        "python": platform.python_version(),
        **{p: version(p) for p in ("pyarrow", "jinja2", "markupsafe")},
    }
    try:
        versions["minijinja"] = version("minijinja")
    except ImportError:
        versions["minijinja"] = "not installed"
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions,
        "command": "python -m bench.render",
        "batch_rows": BATCH_ROWS,
        "results": [],
        "ratios": {},
    }
    print(f"{report['machine']}\n{versions}\n{report['command']}")
    for case in CASES:
        if options.only and case.name != options.only:
            continue
        rates = measure(case, options.rounds)
        report["results"] += [
            {"template": case.name, "engine": e, "rows_per_s": round(r)} for e, r in rates.items()
        ]
        ratios = {
            "vs_sandboxed_jinja2": round(rates["carillon"] / rates["jinja2_sandboxed"], 2),
            "vs_limit": round(rates["carillon"] / rates["limit"], 2),
        }
        report["ratios"][case.name] = ratios
        print("    " + "  ".join(f"{e} {r:,.0f}/s" for e, r in rates.items()) + f"  {ratios}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
