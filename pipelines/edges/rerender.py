"""One message rendered again, byte for byte: ledger row, campaign bundle and the customer's pinned snapshot row.

Invariant: the bytes are made by the functions that made them for the topic; only the reading of the row differs, as
one message is not worth a Spark session. What retention has removed is named. Links are signed with the key of now, and
lead where they lead now: with other settings than then, links differ.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from conf import Settings
from pipelines.edges.campaign_store import CampaignStore, MissingBundleError
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import Tables, literal
from pipelines.errors import InputError
from pipelines.links import link_settings
from pipelines.messages import compile_campaign
from pipelines.publishing import PUBLISHED_COLUMNS
from schemas.tables import table

AUDIENCE, LEDGER = table("audience"), table("ledger")
_COLUMNS = (
    *PUBLISHED_COLUMNS,
    "decision_id",
    "stage",
    "decision",
    "reason",
    "pipeline",
    "audience_version",
    "decided_at",
)


def rerender(settings: Settings, message_id: str, pipeline: str | None = None) -> bytes:
    """The message's JSON, as it stands in its send batch. `pipeline` chooses where a make-up run has sent it again;
    else it is the last time. Raises `InputError` when it was not sent, or something it was made of is gone."""
    row = _find(Tables(settings.lake), message_id, pipeline)
    try:
        campaign = CampaignStore(ObjectStore(settings.lake)).load(row["campaign_version"])
    except MissingBundleError as error:
        raise InputError(f"message {message_id} cannot be rendered again: {error}") from None
    customer = _customer(settings, row)
    types = {field.name: field.type for field in LEDGER.arrow_schema()}
    columns = {name: pa.array([row[name]], types[name]) for name in PUBLISHED_COLUMNS}
    batch = pa.RecordBatch.from_pydict({**columns, "customer": customer})
    assembled = compile_campaign(campaign, link_settings(settings.links)).assemble(row["channel"], batch)
    for failure in assembled.failures:
        raise InputError(
            f"message {message_id} was sent and does not render now: {failure.reason}: {failure.detail}. Was it sent "
            "by another version of Carillon?"
        )
    return bytes(assembled.payloads[0].as_py())


def _find(tables: Tables, message_id: str, pipeline: str | None) -> dict[str, Any]:
    """The ledger's row of a message that was sent."""
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    rows = tables.query(LEDGER, f"SELECT {columns} FROM t WHERE message_id = {literal(message_id)}")
    if not rows:
        raise InputError(
            f"the ledger has no message {message_id}: the id is another one, or the ledger's retention "
            f"({LEDGER.retention_days} days) has removed its row."
        )
    corrected = {row["decision_id"]: row for row in rows if row["stage"] == "render"}
    decided = [row for row in rows if row["stage"] == "decide"]
    sent = [row for row in decided if row["decision"] == "sent" and row["decision_id"] not in corrected]
    chosen = [row for row in sent if pipeline in (None, row["pipeline"])]
    if chosen:
        return max(chosen, key=_decided_at)
    if sent:
        names = ", ".join(sorted(row["pipeline"] for row in sent))
        raise InputError(f"message {message_id} was not sent by pipeline '{pipeline}' but by {names}.")
    last = max(decided, key=_decided_at)
    final = corrected.get(last["decision_id"], last)
    raise InputError(
        f"message {message_id} was never sent: {final['decision']}, {final['reason']}. See docs/reasons.md."
    )


def _decided_at(row: dict[str, Any]) -> datetime:
    found: datetime = row["decided_at"]
    return found


def _customer(settings: Settings, row: dict[str, Any]) -> pa.StructArray:
    """The customer's row of the pinned snapshot, as publishing joins it."""
    from deltalake import DeltaTable, QueryBuilder
    from deltalake.exceptions import DeltaError

    version = row["audience_version"]
    where = settings.lake.delta_uri(AUDIENCE.name)
    try:
        pinned = DeltaTable(where, version=version, storage_options=settings.lake.object_store())
        engine = QueryBuilder().register("t", pinned)
        condition = f"customer_id = {literal(row['customer_id'])}"
        found = pa.table(engine.execute(f"SELECT * FROM t WHERE {condition}").read_all()).to_pylist()
    except Exception as error:
        # DataFusion's errors are bare exceptions. S3 answered when the ledger was read, just now.
        if type(error) is not Exception and not isinstance(error, DeltaError | OSError):
            raise
        raise InputError(
            f"message {row['message_id']} cannot be rendered again: version {version} of the audience, which it was "
            f"made from, cannot be read; retention has removed it or some of its files ({str(error)[:200]})."
        ) from None
    if not found:
        raise InputError(
            f"message {row['message_id']} cannot be rendered again: its customer is not in version {version} of the "
            "audience any more; an erasure removes customers from all versions."
        )
    fields = list(AUDIENCE.arrow_schema())
    return pa.StructArray.from_arrays(
        [pa.array([found[0].get(field.name)], field.type) for field in fields], fields=fields
    )
