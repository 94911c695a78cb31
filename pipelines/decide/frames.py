"""Decisions made by the executors become a frame: what a run of millions of customers uses.

Invariant: what a task decides is what `pipelines.decide.decide` says of the same rows; the delivery rate alone compares
rows of different tasks. It runs nothing by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.decide.decisions import LEDGER, STAGED, Unit
from pipelines.decide.rate import ORDER, stage_by_rate
from pipelines.decide.rows import JOINED

Batches = Iterator[pa.RecordBatch]
#: Makes decisions of what a task is given, in the columns of `STAGED`.
Decide = Callable[[Batches], Iterator[pa.Table]]
Task = Callable[[Iterator[pa.Table]], Batches]


@dataclass(frozen=True)
class Finish:
    """What a task does with its decisions, given as tables of the ledger's columns, and the columns that it yields:
    what is finished in the same task need not go back through the JVM."""

    task: Task
    columns: str


def decide_frame(given: DataFrame, decide: Decide, unit: Unit, finish: Finish) -> DataFrame:
    """What `finish` makes of the decisions about the rows of a frame; `unit.policy` is that of all of them."""
    assert unit.policy is not None
    policy = json.loads(unit.policy)
    if policy["rate"] is None:
        return given.mapInArrow(lambda batches: finish.task(_of_ledger(decide(batches))), finish.columns)
    staged = given.mapInArrow(lambda batches: _hand_over(decide(batches)), _spark_schema(STAGED))
    is_sent = F.col("decision") == "sent"
    # One queue for what would be sent; the others, who have no turn, stay spread. Not as two frames: each would decide.
    queue = F.when(is_sent, F.lit(-1)).otherwise(F.col("send_partition"))
    place = F.row_number().over(Window.partitionBy("campaign_id", queue).orderBy(*ORDER))
    turn = F.when(is_sent, place.cast("long") - 1)
    task = _stage_task(unit, policy["rate"], finish.task)
    return staged.withColumn("turn", turn).mapInArrow(task, finish.columns)


def _stage_task(unit: Unit, steps: list[dict[str, int]], finish: Task) -> Callable[[Batches], Batches]:
    def stage(table: pa.Table) -> pa.Table:
        rates = dict.fromkeys(pc.unique(table["campaign_id"]).to_pylist(), steps)
        return stage_by_rate(table, table["turn"].combine_chunks(), rates, unit.clock)

    return lambda batches: finish(_of_ledger(stage(pa.Table.from_batches([batch])) for batch in batches))


def _spark_schema(schema: pa.Schema) -> str:
    types = {column.name: column.type for column in LEDGER.columns} | JOINED
    return ", ".join(f"{name} {types[name]}" for name in schema.names)


def _of_ledger(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    return (table.select(LEDGER.column_names) for table in tables)


def _hand_over(tables: Iterator[pa.Table]) -> Batches:
    for table in tables:
        yield from table.combine_chunks().to_batches()
