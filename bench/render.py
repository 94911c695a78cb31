"""Rows rendered a second on one core, by engine and template: `python -m bench.render`.

Every engine gets the same Arrow batch and must give an Arrow array of texts; all are timed in turn, in
one process, pinned to one core, by processor time, and the median of the rounds counts. Texts are
compared with Jinja2's first. The limit is `binary_join_element_wise` alone, over the pieces that Carillon
puts together, for each batch its own. Writes out/bench/render.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import DictLoader, Environment, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from minijinja import Environment as Minijinja
from minijinja import TemplateError

from bench.templates import CASES, SCHEMA, Case, rows
from pipelines.render import CompiledTemplate, compile_template, execute
from pipelines.render.kernels import joining
from pipelines.render.kernels.pieces import leaves, merged

BATCH_ROWS = 2000
OUT = Path("out/bench/render.json")
Engine = Callable[[pa.RecordBatch], Any]


def environment_of(case: Case, kind: type[Environment]) -> Environment:
    """Jinja2 as its documentation sets it up."""
    environment = kind(
        loader=DictLoader(case.sources),
        undefined=StrictUndefined,
        autoescape=case.html,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    return environment


def jinja(case: Case, kind: type[Environment]) -> Engine:
    """Jinja2 as people call it from an Arrow function: one call a row."""
    template = environment_of(case, kind).get_template("t")
    return lambda batch: pa.array([template.render(row) for row in batch.to_pylist()], pa.string())


def minijinja(case: Case) -> Engine | str:
    """minijinja as Jinja2 above, or why it cannot render the template.

    It spells an escaped apostrophe `&#x27;`; its texts are not compared.
    """
    environment = Minijinja(
        templates=dict(case.sources),
        undefined_behavior="strict",
        auto_escape_callback=lambda _: case.html,
        keep_trailing_newline=False,
    )
    render = environment.render_template
    try:
        render("t", **rows(1).to_pylist()[0])
    except TemplateError as error:  # a tag or filter that it does not have
        return str(error).splitlines()[0]
    return lambda batch: pa.array([render("t", **row) for row in batch.to_pylist()], pa.string())


def carillon(case: Case) -> tuple[Engine, CompiledTemplate]:
    """The compiled template."""
    template = compile_template("t", case.sources, html=case.html, schema=SCHEMA)
    return (lambda batch: template.render(batch).text), template


def limit(template: CompiledTemplate, batches: list[pa.RecordBatch]) -> Engine:
    """Only the joins of each batch, over the template's pieces: numbers are text, values are escaped and
    branches are chosen beforehand."""
    joins: dict[int, list[list[Any]]] = {}
    held: list[list[Any]] = []

    def recording(pieces: Sequence[Any], size: int) -> Any:
        texts = [column for piece in static_merged(pieces) for column in joining.columns([piece], size)]
        if len(texts) > 1:
            held.append(texts)
        return joining.join(pieces, size)

    with mock.patch.object(execute, "join", recording):
        for batch in batches:
            held = joins[id(batch)] = []
            template.render(batch)
    return lambda batch: [pc.binary_join_element_wise(*texts, "") for texts in joins[id(batch)]]


def static_merged(pieces: Sequence[Any]) -> list[Any]:
    """Static texts that stand side by side as one piece, also into a choice of static texts."""
    out: list[Any] = []
    for piece in pieces:
        known = bool(out) and all(isinstance(leaf, str) for leaf in leaves([out[-1], piece]))
        both = merged([out[-1], piece]) if known else [piece]
        out[-1 if known else len(out) :] = both
    return out


def ready_rows(case: Case, batch: pa.RecordBatch) -> Engine:
    """Sandboxed Jinja2 over rows that are Python dicts already: what it costs without leaving Arrow."""
    template = environment_of(case, SandboxedEnvironment).get_template("t")
    held = batch.to_pylist()
    return lambda _: [template.render(row) for row in held]


def once(engine: Engine, batches: list[pa.RecordBatch]) -> float:
    """Rows a second of processor time over the batches: what others do on the machine is not counted."""
    started = time.process_time()
    for batch in batches:
        engine(batch)
    taken = time.process_time() - started
    rendered: int = sum(b.num_rows for b in batches)
    return rendered / taken


def engines_of(case: Case, batches: list[pa.RecordBatch]) -> dict[str, Engine | str]:
    """Each engine, or the reason why it cannot render this template."""
    compiled, template = carillon(case)
    plain = jinja(case, Environment)
    if compiled(batches[0]).to_pylist() != plain(batches[0]).to_pylist():
        raise SystemExit(f"{case.name}: the texts differ from Jinja2's")
    share = template.coverage.share
    size = len(compiled(batches[0])[0].as_py())
    print(f"  {case.name}: {share:.0%} of nodes vectorised, {size} characters")
    return {
        "jinja2_sandboxed": jinja(case, SandboxedEnvironment),
        "jinja2": plain,
        "minijinja": minijinja(case),
        "carillon": compiled,
        "jinja2_sandboxed_ready_rows": ready_rows(case, batches[0]),
        "limit": limit(template, batches) if share > 0 else "nothing is joined: all of it is row-wise",
    }


def measure(case: Case, rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """The rates of each engine, round by round, and why others have none."""
    batches = [rows(BATCH_ROWS, seed) for seed in range(5)]
    engines = engines_of(case, batches)
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, engine in engines.items():
            if not isinstance(engine, str):
                fast = name in ("carillon", "limit")
                rates.setdefault(name, []).append(once(engine, batches * 4 if fast else batches[:1]))
    return rates, {name: engine for name, engine in engines.items() if isinstance(engine, str)}


def ratio(rounds: dict[str, list[float]], engine: str) -> float | None:
    """Carillon's rate by another's: the median of the rounds' own ratios."""
    if engine not in rounds:
        return None
    return round(statistics.median(c / o for c, o in zip(rounds["carillon"], rounds[engine], strict=True)), 2)


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


def add_case(report: dict[str, Any], case: Case, rounds: int) -> None:
    """Measures one template and adds its figures to the report; an engine that cannot has none, and the reason."""
    rounds_of, missing = measure(case, rounds)
    rates = {engine: round(statistics.median(held)) for engine, held in rounds_of.items()}
    report["results"] += [{"template": case.name, "engine": e, "rows_per_s": r} for e, r in rates.items()]
    report["results"] += [
        {"template": case.name, "engine": e, "rows_per_s": None, "reason": why} for e, why in missing.items()
    ]
    ratios = {
        "vs_sandboxed_jinja2": ratio(rounds_of, "jinja2_sandboxed"),
        "vs_limit": ratio(rounds_of, "limit"),
    }
    report["ratios"][case.name] = ratios
    print("    " + "  ".join(f"{engine} {rate:,}/s" for engine, rate in rates.items()) + f"  {ratios}")
    for engine, why in missing.items():
        print(f"    {engine}: {why}")


def main() -> int:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="one template's name")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("pyarrow", "jinja2", "markupsafe", "minijinja")},
        },
        "results": [],
        "ratios": {},
    }
    print(f"{report['machine']}\n{report['versions']}\npython -m bench.render, batches of {BATCH_ROWS} rows")
    for case in CASES:
        if not options.only or case.name == options.only:
            add_case(report, case, options.rounds)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
