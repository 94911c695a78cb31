"""One message rendered again, byte for byte: ledger row, campaign bundle and the customer's pinned snapshot row.

Invariant: the bytes are made by the functions that made them for the topic; only the reading of the row differs, as
one message is not worth a Spark session. What retention has removed is named. Links are made with the settings of now:
a message that has links, of a unit that had pinned other settings, is refused, or shown with the links of now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from conf import Settings
from pipelines.edges.campaign_store import CampaignStore, MissingBundleError
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.sql import literal
from pipelines.edges.tables import Tables
from pipelines.errors import InputError, one_line
from pipelines.links import LinkSettings, describe_links, link_settings
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
    "unit",
    "audience_version",
    "decided_at",
)


def rerender(
    settings: Settings, message_id: str, pipeline: str | None = None, with_links_of_now: bool = False
) -> bytes:
    """The message's JSON, as it stands in its send batch. `pipeline` chooses where a make-up run has sent it again;
    else it is the last time. Raises `InputError` when it was not sent, when something it was made of is gone, or when
    its links were made with other settings, unless `with_links_of_now`."""
    row = _find(Tables(settings.lake), message_id, pipeline)
    objects = ObjectStore(settings.lake)
    try:
        campaign = CampaignStore(objects).load(row["campaign_version"])
    except MissingBundleError as error:
        raise InputError(f"message {message_id} cannot be rendered again: {error}") from None
    customer = _customer(settings, row)
    types = {field.name: field.type for field in LEDGER.arrow_schema()}
    columns = {name: pa.array([row[name]], types[name]) for name in PUBLISHED_COLUMNS}
    batch = pa.RecordBatch.from_pydict({**columns, "customer": customer})

    def render(links: LinkSettings) -> bytes:
        assembled = compile_campaign(campaign, links).assemble(row["channel"], batch)
        for failure in assembled.failures:
            raise InputError(
                f"message {message_id} was sent and does not render now: {failure.reason}: {failure.detail}. Was it "
                "sent by another version of Carillon?"
            )
        return bytes(assembled.payloads[0].as_py())

    links = link_settings(settings.links)
    if not with_links_of_now:
        _check_links(links, _pinned_links(ManifestStore(objects), row), message_id, render)
    return render(links)


def _check_links(
    links: LinkSettings, pinned: dict[str, str], message_id: str, render: Callable[[LinkSettings], bytes]
) -> None:
    """Raises `InputError` when the message was made with other links; `render` makes it with those given."""
    now = describe_links(links)
    differ = [name for name in now if pinned.get(name, now[name]) != now[name]]
    others: dict[str, Any] = dict.fromkeys(differ, "https://other.invalid/")
    if "signing_key" in others:
        others["signing_key"] = links.signing_key + b"."
    # A message without such links is the same whatever the settings are.
    if not differ or render(links) == render(replace(links, **others)):
        return
    said = [
        "links.signing_key was another key"
        if name == "signing_key"
        else f"links.{name} was '{pinned[name]}' and is '{now[name]}'"
        for name in differ
    ]
    variables = [f"CARILLON_LINKS__{name.upper()}" for name in differ]
    raise InputError(
        f"message {message_id} cannot be rendered byte for byte: its links were made with other settings. "
        f"{'; '.join(said)}. Set {' and '.join(variables)} as then, for this command alone; or take "
        "--links-of-now, which shows all else as it was sent."
    )


def _pinned_links(manifests: ManifestStore, row: dict[str, Any]) -> dict[str, str]:
    """What the unit that sent the message has pinned of its links; nothing where its manifest is gone, or older than
    this."""
    for incarnation in manifests.incarnations(row["pipeline"]):
        manifest = manifests.find(f"{row['pipeline']}/{incarnation}", row["unit"])
        # The clock tells units of one number apart, as in the ledger.
        if manifest is not None and manifest.decided_at == row["decided_at"]:
            return manifest.links
    return {}


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
            f"made from, cannot be read; retention has removed it or some of its files ({one_line(error, 200)})."
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
