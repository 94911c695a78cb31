"""The decisions to send of one unit are published, by the driver or by the executors, and the ledger is corrected.

Invariant: what is published is what the decisions say; a message that does not render has its correction in the ledger
before the unit is balanced. Both ways run the same task; they differ in where it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from pipelines.accounts import ACCOUNT_COLUMNS, FAILURE_COLUMNS
from pipelines.books import Books
from pipelines.corrections import render_failures
from pipelines.edges.faultpoints import reach
from pipelines.edges.lake import DeltaLake
from pipelines.edges.ledger import LEDGER, unit_rows
from pipelines.edges.manifests import Manifest
from pipelines.edges.recorded import SENT, unit_columns
from pipelines.edges.scans import TableScan
from pipelines.errors import InputError
from pipelines.messages import compile_campaign
from pipelines.publishing import PUBLISHED_COLUMNS, PublishPlan, publish_few, publish_task
from pipelines.recipients import PUBLISH_ORDER, Recipients, with_customers
from schemas.tables import table

AUDIENCE = table("audience")


@dataclass(frozen=True)
class Publication:
    """Publishes one unit; `app_id` names its pipeline's incarnation in Delta's transactions."""

    lake: DeltaLake
    plan: PublishPlan
    app_id: str

    def few(self, sent: pa.Table, customers: pa.Table, books: Books) -> pa.Table | None:
        """From the driver, whose producers live as long as the stream; returns the corrections of the ledger."""
        account = publish_few(self.plan, with_customers(sent.select(PUBLISHED_COLUMNS), customers))
        reach("after-publish")
        is_published = pc.equal(account["outcome"], "published")
        books.add_published(account.filter(is_published).to_pylist())
        failed = account.filter(pc.invert(is_published))
        if not failed.num_rows:
            return None
        frames = [self.lake.spark.createDataFrame(rows) for rows in (sent, failed.select(FAILURE_COLUMNS))]
        rows = render_failures(*frames).toArrow()
        self.lake.append_few(LEDGER, rows, f"{self.app_id}/render", self.plan.unit)
        return rows

    def many(self, manifest: Manifest, messages: int, books: Books) -> bool:
        """By the executors, a task for each send partition; whether the ledger was corrected. `messages`: how many
        decisions to send there are. Raises `InputError` when a version with another order has begun the unit."""
        if manifest.publish_order != PUBLISH_ORDER:
            raise InputError(
                f"{manifest.pipeline} was begun by a version of Carillon that publishes in another order: going on in "
                "the middle would send to some twice and to others never. Finish it with that version."
            )
        recipients = self._recipients(manifest)
        pieces = recipients.pieces(self.lake.spark, self.lake.tables, manifest.send_partitions, messages)
        task = recipients.arranged(publish_task(self.plan), self.plan.campaigns)
        account = pieces.mapInArrow(task, ACCOUNT_COLUMNS).persist()
        try:
            grouped = account.groupBy("outcome", "campaign_id", "channel").agg(
                F.sum("messages").alias("messages")
            )
            totals = [row.asDict() for row in grouped.collect()]
            reach("after-publish")
            books.add_published([row for row in totals if row["outcome"] == "published"])
            if all(row["outcome"] == "published" for row in totals):
                return False
            failed = account.where(F.col("outcome") != "published").select(*FAILURE_COLUMNS)
            corrections = render_failures(unit_rows(self.lake, manifest, *SENT), failed)
            self.lake.append_once(LEDGER, corrections, f"{self.app_id}/render", self.plan.unit)
            return True
        finally:
            account.unpersist()

    def _recipients(self, manifest: Manifest) -> Recipients:
        settings = self.lake.settings
        sent = TableScan(settings, LEDGER, PUBLISHED_COLUMNS, (*unit_columns(manifest), *SENT))
        return Recipients(sent, TableScan(settings, AUDIENCE, self._read_fields()), manifest.audience_version)

    def _read_fields(self) -> tuple[str, ...]:
        """Those of the customer's fields of which a message of the unit can be made: whole customers, with their orders
        and consents, would be shuffled for a name and an address."""
        campaigns = self.plan.campaigns.values()
        read = [compile_campaign(one, self.plan.links).customer_fields() for one in campaigns]
        if None in read:
            return AUDIENCE.column_names
        asked = {"customer_id"}.union(*(one for one in read if one is not None))
        return tuple(name for name in AUDIENCE.column_names if name in asked)
