"""The task that renders and publishes: the sent decisions of one send partition in, an account of them out.

Invariant: given the same rows in the same order, the chunks, batches and ids are the same; what was published before
is not published again, but it is counted and its failures are reported again, so a resumed unit has full books.
Runs on executors inside `mapInArrow`, and for the few messages of an epoch on the driver; shuffles recipients, never
rendered text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from conf import Channels
from pipelines.batches import BatchScope, SendBatch, cut_batches, oversized
from pipelines.campaigns import Campaign
from pipelines.edges.control import ControlPoint, watch
from pipelines.edges.progress import MarkerKey, Position
from pipelines.edges.publisher import (
    PublishError,
    PublishTarget,
    Record,
    UnitCancelledError,
    cancel_unit,
    publish_chunk,
)
from pipelines.lanes import URGENT, lane, sort_to_publish
from pipelines.links import LinkSettings
from pipelines.messages import CompiledCampaign, compile_campaign
from schemas.channels import channel as channel_named
from schemas.reasons import reason as reason_named

#: The columns of the ledger that a publishing task needs, beside the customer's snapshot row.
PUBLISHED_COLUMNS = (
    "message_id",
    "customer_id",
    "locale",
    "variant",
    "occurred_at",
    "source",
    "source_id",
    "data",
    "send_partition",
    "campaign_id",
    "campaign_version",
    "channel",
)

#: The account of a task; one row per (chunk, campaign version, channel) for 'published', one per message for others.
ACCOUNT_COLUMNS = (
    "outcome string, send_partition int, chunk int, campaign_id string, channel string, messages long, batches long, "
    "bytes long, message_id string, reason string, detail string"
)
_ACCOUNT = pa.schema(
    [
        ("outcome", pa.string()),
        ("send_partition", pa.int32()),
        ("chunk", pa.int32()),
        ("campaign_id", pa.string()),
        ("channel", pa.string()),
        ("messages", pa.int64()),
        ("batches", pa.int64()),
        ("bytes", pa.int64()),
        ("message_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
#: Of the account: what a correction of the ledger is made of.
FAILURE_COLUMNS = ("message_id", "outcome", "reason", "detail")
AccountRow = tuple[str, int, int, str, str, int, int, int, str | None, str | None, str | None]

#: Compiled campaigns of this worker by digest: compiling costs more than rendering a batch.
_compiled: dict[str, CompiledCampaign] = {}
#: Rendering is the interpreter's work: threads share it and do not render at once.
_rendering = Lock()
#: More than there are cores, since a commit is mostly waiting.
_WAITING_AT_ONCE = 8
#: As `spark.task.maxFailures`: the new attempt's producer aborts what the last one left open, and reads the markers.
_ATTEMPTS = 4

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class PublishPlan:
    """All a task must know; travels to the executors."""

    target: PublishTarget
    pipeline: str
    incarnation: str
    lake: str
    term: int
    unit: int
    clock: str
    campaigns: dict[str, Campaign]
    channels: Channels
    links: LinkSettings
    messages_per_transaction: int
    #: Where to look whether to go on; None for a stream, which nobody pauses.
    control: ControlPoint | None

    def key(self, send_partition: int) -> MarkerKey:
        return MarkerKey(self.pipeline, self.incarnation, self.term, send_partition, self.lake)


def publish_few(plan: PublishPlan, rows: pa.Table) -> pa.Table:
    """Publish from this process what `publish_task` would from others; returns the account. Commits wait for the
    broker, so that several send partitions wait at once."""
    task = publish_task(plan)
    partitions = []
    for send_partition in sorted(rows["send_partition"].unique().to_pylist()):
        own = sort_to_publish(rows.filter(pc.equal(rows["send_partition"], send_partition)), plan.campaigns)
        partitions.append(own.combine_chunks().to_batches())
    with ThreadPoolExecutor(_WAITING_AT_ONCE) as pool:
        accounts = list(pool.map(lambda batches: _insist(task, batches), partitions))
    return pa.Table.from_batches([batch for batches in accounts for batch in batches], schema=_ACCOUNT)


def _insist(task: Task, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The task's account; one whose transaction failed is tried again, as Spark tries its tasks."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return list(task(iter(batches)))
        except PublishError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("not reached")


def with_customers(sent: pa.Table, customers: pa.Table) -> pa.Table:
    """The decisions with the `customer` of each; `customers` may name one several times."""
    places = {name: row for row, name in enumerate(customers["customer_id"].to_pylist())}
    rows = pa.array([places[name] for name in sent["customer_id"].to_pylist()], pa.int64())
    return sent.append_column("customer", customers["customer"].take(rows))


def publish_task(plan: PublishPlan) -> Task:
    """The function for `mapInArrow`. Input: one send partition's sent decisions, in `publish_order`, with columns
    send_partition, campaign_id, campaign_version, channel and those of `CompiledCampaign.assemble`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for index, chunk in enumerate(rechunk(batches, plan.messages_per_transaction)):
            position = Position(plan.unit, index)
            if plan.control is not None and watch(plan.control).wait_while_paused() == "cancel":
                key = plan.key(chunk["send_partition"][0].as_py())
                if position > cancel_unit(plan.target, key, plan.unit):
                    yield _cancel(plan, chunk, index)
                    continue
            try:
                yield _publish(plan, chunk, index)
            except UnitCancelledError:
                yield _cancel(plan, chunk, index)

    return run


def rechunk(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Cut a stream of batches into tables of exactly `rows` rows (the last may be shorter)."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, rows)
            rest = table.slice(rows)
            waiting, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(waiting)


def _cancel(plan: PublishPlan, chunk: pa.Table, index: int) -> pa.RecordBatch:
    """The account of a chunk that will never be published: one row per message."""
    reason, rows = reason_named("cancelled_run"), chunk.num_rows
    names = pa.array(
        [plan.campaigns[version].campaign_id for version in chunk["campaign_version"].to_pylist()]
    )
    columns = {
        "outcome": pa.repeat(reason.decision, rows),
        "send_partition": chunk["send_partition"].combine_chunks(),
        "chunk": pa.repeat(index, rows),
        "campaign_id": names,
        "channel": chunk["channel"].combine_chunks(),
        "messages": pa.repeat(1, rows),
        "batches": pa.repeat(0, rows),
        "bytes": pa.repeat(0, rows),
        "message_id": chunk["message_id"].combine_chunks(),
        "reason": pa.repeat(reason.code, rows),
        "detail": pa.nulls(rows, pa.string()),
    }
    return pa.RecordBatch.from_arrays(
        [columns[field.name].cast(field.type) for field in _ACCOUNT], schema=_ACCOUNT
    )


def _publish(plan: PublishPlan, chunk: pa.Table, index: int) -> pa.RecordBatch:
    send_partition = chunk["send_partition"][0].as_py()
    account: list[AccountRow] = []
    records: list[Record] = []
    for version, channel, rows in _groups(plan, chunk):
        campaign_id = plan.campaigns[version].campaign_id
        with _rendering:
            payloads, failures = _render(plan, version, channel, rows)
        for message_id, reason, detail in failures:
            outcome = reason_named(reason).decision
            account.append(
                (outcome, send_partition, index, campaign_id, channel, 1, 0, 0, message_id, reason, detail)
            )
        scope = BatchScope(plan.pipeline, plan.unit, send_partition, index, channel, campaign_id, version)
        made = [
            to_record(batch, plan.clock, lane(plan.campaigns[version]))
            for batch in cut_batches(payloads, scope, plan.channels.limits(channel))
        ]
        records.extend(made)
        size = sum(len(record.value or b"") for record in made)
        counted = ("published", send_partition, index, campaign_id, channel, len(payloads), len(made), size)
        account.append((*counted, None, None, None))
    publish_chunk(plan.target, plan.key(send_partition), Position(plan.unit, index), records)
    columns = list(zip(*account, strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, _ACCOUNT, strict=True)],
        schema=_ACCOUNT,
    )


def _groups(plan: PublishPlan, chunk: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """The rows of each (campaign version, channel), urgent ones first, then by their names; order within is kept."""
    keys = (
        chunk.select(["campaign_version", "channel"]).group_by(["campaign_version", "channel"]).aggregate([])
    )
    named = zip(keys["campaign_version"].to_pylist(), keys["channel"].to_pylist(), strict=True)
    pairs = sorted(named, key=lambda pair: (lane(plan.campaigns[pair[0]]) != URGENT, *pair))
    for version, channel in pairs:
        mask = pc.and_(pc.equal(chunk["campaign_version"], version), pc.equal(chunk["channel"], channel))
        yield version, channel, chunk if len(pairs) == 1 else chunk.filter(mask)


def _render(
    plan: PublishPlan, version: str, channel: str, rows: pa.Table
) -> tuple[pa.LargeBinaryArray, list[tuple[str, str, str]]]:
    """The payloads of those that rendered, and (message_id, reason, detail) of the others."""
    compiled = _compiled.get(version)
    if compiled is None:
        compiled = _compiled[version] = compile_campaign(plan.campaigns[version], plan.links)
    batch = rows.combine_chunks().to_batches()[0]
    assembled = compiled.assemble(channel, batch)
    limits = plan.channels.limits(channel)
    ids = batch["message_id"]
    failures = [(ids[failure.row].as_py(), failure.reason, failure.detail) for failure in assembled.failures]
    too_large = oversized(assembled.payloads, limits)
    for row in pc.indices_nonzero(too_large).to_pylist():
        size = len(assembled.payloads[row].as_py())
        detail = f"the message has {size} bytes; a batch holds at most {limits.batch_bytes_max}"
        failures.append((ids[row].as_py(), "message_too_large", detail))
    kept = pc.and_(pc.is_valid(assembled.payloads), pc.invert(too_large))
    payloads = assembled.payloads if pc.all(kept).as_py() else assembled.payloads.filter(kept)
    return payloads, failures


def to_record(batch: SendBatch, clock: str, lane_name: str) -> Record:
    """The Kafka record of a send batch: CloudEvents 1.0, binary content mode (Kafka protocol binding), in its lane."""
    channel = channel_named(batch.scope.channel)
    headers = {
        "ce_id": batch.batch_id,
        "ce_type": f"carillon.send-batch.{channel.name}.v1",
        "ce_source": f"/carillon/{batch.scope.pipeline}",
        "ce_specversion": "1.0",
        "ce_time": clock,
        "content-type": "application/json",
        "campaign_id": batch.scope.campaign_id,
        "message_count": str(batch.message_count),
        "lane": lane_name,
    }
    pairs = tuple((name, value.encode()) for name, value in headers.items())
    return Record(channel.topic, batch.batch_id.encode(), batch.value, pairs, lane=lane_name)
