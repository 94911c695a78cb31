"""The task that renders and publishes: the sent decisions of one send partition in, an account of them out.

Invariant: given the same rows in the same order, the chunks, batches and ids are the same; what was published before
is not published again, but it is counted and its failures are reported again, so a resumed unit has full books.
Runs on executors inside `mapInArrow`, and for the few messages of an epoch on the driver; shuffles recipients, never
rendered text. While one chunk's transaction waits for the broker, the next chunk is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc

from conf import Channels
from pipelines.accounts import ACCOUNT, AccountRow, as_account, cancelled_account
from pipelines.ahead import ahead
from pipelines.batches import BatchScope, SendBatch, cut_batches
from pipelines.campaigns import Campaign
from pipelines.chunks import groups, rechunk
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
from pipelines.fuse import RunFuses
from pipelines.lanes import URGENT, lane, sort_to_publish
from pipelines.links import LinkSettings
from pipelines.payloads import render_payloads
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

#: More than there are cores, since a commit is mostly waiting.
_WAITING_AT_ONCE = 8
#: As `spark.task.maxFailures`: the new attempt's producer aborts what the last one left open, and reads the markers.
_ATTEMPTS = 4

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class _Made:
    """What a chunk becomes: the records of its transaction, and the account of it."""

    account: list[AccountRow]
    records: list[Record]


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
    return pa.Table.from_batches([batch for batches in accounts for batch in batches], schema=ACCOUNT)


def _insist(task: Task, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The task's account; one whose transaction failed is tried again, as Spark tries its tasks."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return list(task(iter(batches)))
        except PublishError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("not reached")


def publish_task(plan: PublishPlan) -> Task:
    """The function for `mapInArrow`. Input: one send partition's sent decisions in the order of publishing
    (`pipelines.recipients`), with columns send_partition, campaign_id, campaign_version, channel and those of
    `CompiledCampaign.assemble`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        is_ended, fuses = Event(), RunFuses(plan.control, plan.campaigns.values())
        for index, chunk, made in ahead(_make_chunks(plan, batches, is_ended)):
            position = Position(plan.unit, index)
            if plan.control is not None and watch(plan.control).wait_while_paused() == "cancel":
                is_ended.set()
                key = plan.key(chunk["send_partition"][0].as_py())
                if position > cancel_unit(plan.target, key, plan.unit):
                    yield cancelled_account(chunk, index, plan.campaigns)
                    continue
            try:
                made = made or _make(plan, chunk, index)
                yield _publish(plan, chunk, index, made)
                fuses.mind(made.account)
            except UnitCancelledError:
                is_ended.set()
                yield cancelled_account(chunk, index, plan.campaigns)

    return run


def _make_chunks(
    plan: PublishPlan, batches: Iterator[pa.RecordBatch], is_ended: Event
) -> Iterator[tuple[int, pa.Table, _Made | None]]:
    """The chunks by their number, and what they become: None once the unit is known to be cancelled."""
    for index, chunk in enumerate(rechunk(batches, plan.messages_per_transaction)):
        yield index, chunk, None if is_ended.is_set() else _make(plan, chunk, index)


def _publish(plan: PublishPlan, chunk: pa.Table, index: int, made: _Made) -> pa.RecordBatch:
    """The account of a chunk that is published now, or was before."""
    key = plan.key(chunk["send_partition"][0].as_py())
    publish_chunk(plan.target, key, Position(plan.unit, index), made.records)
    return as_account(made.account)


def _make(plan: PublishPlan, chunk: pa.Table, index: int) -> _Made:
    """Render a chunk and cut it into records."""
    send_partition = chunk["send_partition"][0].as_py()
    account: list[AccountRow] = []
    records: list[Record] = []
    for version, channel, rows in _urgent_first(plan, chunk):
        campaign_id = plan.campaigns[version].campaign_id
        limits = plan.channels.limits(channel)
        payloads, failures = render_payloads(plan.campaigns[version], plan.links, limits, channel, rows)
        for message_id, reason, detail in failures:
            outcome = reason_named(reason).decision
            account.append(
                (outcome, send_partition, index, campaign_id, channel, 1, 0, 0, message_id, reason, detail)
            )
        scope = BatchScope(plan.pipeline, plan.unit, send_partition, index, channel, campaign_id, version)
        name = lane(plan.campaigns[version])
        made = [to_record(batch, plan.clock, name) for batch in cut_batches(payloads, scope, limits)]
        records.extend(made)
        size = sum(len(record.value or b"") for record in made)
        counted = ("published", send_partition, index, campaign_id, channel, len(payloads), len(made), size)
        account.append((*counted, None, None, None))
    return _Made(account, records)


def _urgent_first(plan: PublishPlan, chunk: pa.Table) -> list[tuple[str, str, pa.Table]]:
    """The groups of a chunk, those of urgent campaigns before the others."""
    return sorted(groups(chunk), key=lambda group: lane(plan.campaigns[group[0]]) != URGENT)


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
