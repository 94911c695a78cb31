"""How fast questions are answered on a large ledger: `python -m bench.explain`, 10 million rows unless told otherwise.

A ledger as a year of work leaves it: some large files of each scheduled run, one small file of each epoch; every row
with all its gates; then the same once `carillon compact` has joined the small files. Each question is asked by the real
command in a process of its own, so its start is counted too.
Writes out/bench/explain.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction

import conf
from bench.report import write_figures
from embedded.servers import EmbeddedServers
from pipelines.decide import GATES, HOLDS
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import Tables
from pipelines.runs import run_pipeline
from schemas.tables import table

OUT = Path("out/bench/explain.json")
LEDGER = table("ledger")
FIRST = datetime(2025, 3, 1, 8, tzinfo=timezone.utc)
#: Of a run's rows: how often each outcome occurs.
OUTCOMES = (
    ("sent", None, 70),
    ("excluded", "no_consent", 20),
    ("excluded", "frequency_capped", 8),
    ("held", "held_quiet_hours", 2),
)
ROWS_OF_AN_EPOCH = 1_000
FILES_OF_A_RUN = 8
FILES_OF_A_COMMIT = 100
QUESTIONS = {
    "explain_customer": ("explain", "--customer", "c-4711"),
    "explain_customer_campaign": ("explain", "--customer", "c-4711", "--campaign", "letter_3"),
    "why_not_run": ("why-not", "--run", "letter_3/r-3"),
    "why_not_campaign": ("why-not", "--campaign", "letter_3"),
    "why_not_stream": ("why-not", "--run", "triggered"),
}
#: Columns whose smallest and largest value of a file stand in the table's log.
BOUNDED = ("customer_id", "pipeline", "campaign_id", "unit", "source", "stage")


def gates_of(reason: str | None) -> list[dict[str, Any]]:
    """As many verdicts as a real row has."""
    names = [(gate.name, gate.reason) for gate in GATES] + [(hold.name, hold.reason) for hold in HOLDS]
    names.append(("frequency_cap", "frequency_capped"))
    return [{"gate": name, "passed": why != reason, "value": "evidence in words"} for name, why in names]


#: One row of each outcome, with what does not differ from row to row.
PROTOTYPES = pa.array(
    [gates_of(reason) for _, reason, _ in OUTCOMES], LEDGER.arrow_schema().field("gates").type
)


def random_ids(chance: np.random.Generator, count: int) -> list[str]:
    """Ids that compress as badly as real ones."""
    digits = chance.bytes(16 * count).hex()
    return [f"{digits[at : at + 8]}-{digits[at + 8 : at + 32]}" for at in range(0, len(digits), 32)]


def unit_rows(source: str, number: int, rows: int, customers: int, at: datetime, seed: int) -> pa.Table:
    """The decisions of one unit, in the columns of the ledger. Of a run: of consecutive customers in any order."""
    chance = np.random.default_rng(seed)
    share = [weight / 100 for *_, weight in OUTCOMES]
    picked = pa.array(chance.choice(len(OUTCOMES), rows, p=share))
    people = chance.choice(customers, rows, replace=rows > customers)
    decisions, reasons = ([row[column] for row in OUTCOMES] for column in (0, 1))
    ids = random_ids(chance, rows)
    campaign = f"letter_{number % 12}" if source == "run" else f"welcome_{number % 5}"
    run_id = f"r-{number}"
    sources = [run_id] * rows if source == "run" else [f"t-{number}-{index}" for index in range(rows)]
    fixed: dict[str, Any] = {
        "stage": "decide",
        "pipeline": run_pipeline(campaign, run_id) if source == "run" else "triggered",
        "unit": 0 if source == "run" else number,
        "source": source,
        "campaign_id": campaign,
        "campaign_version": "digest-1",
        "channel": "email",
        "locale": "en",
        "audience_version": 7,
        "occurred_at": at,
        "priority": 50,
        "category": "marketing",
        "decided_at": at,
        "data": "{}",
        "decided_date": at.date(),
    }
    made = {
        "decision_id": pa.array(ids),
        "message_id": pa.array(ids),
        "source_id": pa.array(sources),
        "customer_id": pa.array([f"c-{person}" for person in people]),
        "decision": pa.array(decisions).take(picked),
        "reason": pa.array(reasons).take(picked),
        "gates": PROTOTYPES.take(picked),
        "send_partition": pa.array(people % 8, pa.int32()),
    }
    columns = []
    for field in LEDGER.arrow_schema():
        value = made.get(field.name)
        columns.append(
            pa.repeat(pa.scalar(fixed.get(field.name), field.type), rows) if value is None else value
        )
    return pa.Table.from_arrays(columns, schema=LEDGER.arrow_schema())


def units(rows: int, customers: int, runs: int, epochs: int) -> Iterator[pa.Table]:
    """What each commit appends: the files of the runs and those of the epochs, by their time."""
    of_run = (rows - epochs * ROWS_OF_AN_EPOCH) // (runs * FILES_OF_A_RUN)
    steps = [(run * epochs // runs, "run", run) for run in range(runs)]
    steps += [(epoch, "trigger", epoch) for epoch in range(epochs)]
    for place, source, number in sorted(steps):
        at = FIRST + timedelta(minutes=place * 360 * 1_440 // epochs)
        for part in range(FILES_OF_A_RUN if source == "run" else 1):
            count = of_run if source == "run" else ROWS_OF_AN_EPOCH
            yield unit_rows(source, number, count, customers, at, number * 100 + part)


def fill(settings: conf.Settings, made: Iterator[pa.Table]) -> dict[str, int]:
    """Write each as a file of its own, as Spark would, and commit a hundred at a time."""
    objects, found, pending = ObjectStore(settings.lake), {"files": 0, "rows": 0, "bytes": 0}, []
    ledger = Tables(settings.lake).made(LEDGER)  # before the first file: a folder with others is no table's
    for rows in made:
        pending.append(write_file(objects, rows, found["files"]))
        found["files"] += 1
        found["rows"] += rows.num_rows
        found["bytes"] += pending[-1].size
        if len(pending) == FILES_OF_A_COMMIT:
            commit(ledger, pending)
            pending = []
            print(json.dumps(found), flush=True)
    commit(ledger, pending)
    return {"files": found["files"], "rows": found["rows"], "mb": found["bytes"] // 1_000_000}


def write_file(objects: ObjectStore, rows: pa.Table, number: int) -> AddAction:
    """A Parquet file under its partition, and what the table's log says of it."""
    date = str(rows["decided_date"][0].as_py())
    name = f"decided_date={date}/part-{number:06d}.snappy.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(rows.drop_columns(["decided_date"]), sink, compression="snappy")
    content = sink.getvalue().to_pybytes()
    objects.write(f"{LEDGER.name}/{name}", content)
    bounds = {column: pc.min_max(rows[column]).as_py() for column in BOUNDED}
    stats = {
        "numRecords": rows.num_rows,
        "minValues": {column: found["min"] for column, found in bounds.items()},
        "maxValues": {column: found["max"] for column, found in bounds.items()},
        "nullCount": dict.fromkeys(BOUNDED, 0),
    }
    written_ms = int(FIRST.timestamp() * 1000)
    return AddAction(name, len(content), {"decided_date": date}, written_ms, True, json.dumps(stats))


def commit(ledger: DeltaTable, actions: list[AddAction]) -> None:
    """Make the files part of the table."""
    ledger.create_write_transaction([*actions], "append", ledger.schema(), list(LEDGER.partition_by))


def ask_all(environment: dict[str, str], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of each question."""
    found = {}
    for name, question in QUESTIONS.items():
        found[name] = ask(environment, rounds, *question)
        print(json.dumps({name: found[name]}), flush=True)
    return found


def ask(environment: dict[str, str], rounds: int, *arguments: str) -> dict[str, float]:
    """Seconds of the command, from its start to its end."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "console.main", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr[-2_000:]
        assert done.stdout.strip(), arguments
    return {"first_s": round(seconds[0], 2), "median_s": round(statistics.median(seconds), 2)}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.explain", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parsed = parser.parse_args(arguments)
    with EmbeddedServers(create_topics=False) as servers:
        environment = servers.environment()
        settings = conf.load("local", environ=environment)
        began = time.perf_counter()
        filled = fill(settings, units(parsed.rows, parsed.customers, parsed.runs, parsed.epochs))
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        found: dict[str, Any] = {**filled, "seconds": ask_all(environment, parsed.rounds)}
        found["compact_s"] = ask(environment, 1, "compact")["first_s"]
        found["seconds_compacted"] = ask_all(environment, parsed.rounds)
    write_figures(OUT, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
