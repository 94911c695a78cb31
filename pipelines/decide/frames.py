"""Decisions about a frame of candidates, made by the executors: what a run of millions of customers uses.

Invariant: the decisions are those of `pipelines.decide.decide` over all rows at once; only what compares rows with each
other decides how the candidates are laid out. All candidates share one policy. It runs nothing by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.chunks import rechunk
from pipelines.decide import choice
from pipelines.decide.decisions import LEDGER, STAGED, Unit, decide_unstaged
from pipelines.decide.rate import ORDER, stage_by_rate
from pipelines.decide.rows import CUSTOMER_FIELDS, JOINED

Batches = Iterator[pa.RecordBatch]
Task = Callable[[Iterator[pa.Table]], Batches]

#: Rows that are decided at a time. Spark's batches of 2,000 cost twice as much a row: some hundred steps, each with its
#: own beginning.
_ROWS = 10_000

#: The candidates' own columns; `policy` is that of the unit.
_OWN = (
    "decision_id", "message_id", "source", "source_id", "campaign_id", "campaign_version", "campaign_status",
    "consent_topic", "channel", "customer_id", "send_partition", "occurred_at", "expires_at", "data", "origin",
)  # fmt: skip


@dataclass(frozen=True)
class Finish:
    """What a task does with its decisions, given as tables of the ledger's columns, and the columns that it yields."""

    task: Task
    columns: str


def decide_frame(candidates: DataFrame, unit: Unit, finish: Finish | None = None) -> DataFrame:
    """As `pipelines.decide.decide`, with `unit.policy`. Grain: one row per decision_id, columns of the ledger; or what
    `finish` makes of them in the same task, which saves their way back through the JVM."""
    finish = finish or Finish(_hand_over, spark_schema(LEDGER.arrow_schema()))
    assert unit.policy is not None
    policy = json.loads(unit.policy)
    known = [name for name in JOINED if name in candidates.columns and name != "policy"]
    read = candidates.select(*_OWN, *known, _thin_customer().alias("customer"))
    # With one channel each row is a customer of its own, unless somebody asks what there was before.
    is_compared = len(policy["channels"]) > 1 and (policy["caps"] or choice.asks(policy))
    if is_compared:
        read = read.repartition("customer_id").sortWithinPartitions("customer_id")
    if policy["rate"] is None:
        task = _decide_task(unit, bool(is_compared), _of_ledger(finish.task))
        return read.mapInArrow(task, finish.columns)
    staged = read.mapInArrow(_decide_task(unit, bool(is_compared), _hand_over), spark_schema(STAGED))
    turns = Window.partitionBy("campaign_id").orderBy(*ORDER)
    is_sent = F.col("decision") == "sent"
    sent = staged.where(is_sent).withColumn("turn", F.row_number().over(turns).cast("long") - 1)
    others = staged.where(~is_sent).withColumn("turn", F.lit(None).cast("long"))
    task = _stage_task(unit, policy["rate"], _of_ledger(finish.task))
    return sent.unionByName(others).mapInArrow(task, finish.columns)


def spark_schema(schema: pa.Schema) -> str:
    """The DDL of the columns of `STAGED`."""
    types = {column.name: column.type for column in LEDGER.columns} | JOINED
    return ", ".join(f"{name} {types[name]}" for name in schema.names)


def _thin_customer() -> Column:
    fields = [F.col(f"customer.{name}").alias(name) for name in CUSTOMER_FIELDS]
    return F.when(F.col("customer").isNotNull(), F.struct(*fields))


def _decide_task(unit: Unit, is_compared: bool, finish: Task) -> Callable[[Batches], Batches]:
    def decide_batches(batches: Batches) -> Batches:
        tables = rechunk(batches, _ROWS)
        cut = whole_customers(tables) if is_compared else tables
        return finish(decide_unstaged(table, unit)[0] for table in cut)

    return decide_batches


def _stage_task(unit: Unit, steps: list[dict[str, int]], finish: Task) -> Callable[[Batches], Batches]:
    def stage(table: pa.Table) -> pa.Table:
        rates = dict.fromkeys(pc.unique(table["campaign_id"]).to_pylist(), steps)
        return stage_by_rate(table, table["turn"].combine_chunks(), rates, unit.clock)

    return lambda batches: finish(stage(pa.Table.from_batches([batch])) for batch in batches)


def _of_ledger(finish: Task) -> Task:
    return lambda tables: finish(table.select(LEDGER.column_names) for table in tables)


def _hand_over(tables: Iterator[pa.Table]) -> Batches:
    for table in tables:
        yield from table.combine_chunks().to_batches()


def whole_customers(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables, sorted by customer, cut so that all rows of a customer are in one."""
    waiting: list[pa.Table] = []
    for table in tables:
        is_last = pc.equal(table["customer_id"], table["customer_id"][-1])
        start = pc.index(is_last, True).as_py()
        if start == 0 and waiting and waiting[-1]["customer_id"][-1] == table["customer_id"][0]:
            waiting.append(table)
            continue
        done = pa.concat_tables([*waiting, table.slice(0, start)])
        if done.num_rows:
            yield done
        waiting = [table.slice(start)]
    if waiting:
        yield pa.concat_tables(waiting)
