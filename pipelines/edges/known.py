"""What the lake knows of a unit's candidates, the past apart: customer, repeats, consent, suppressions, cancellations.

Invariant: it is attached to few candidates and to many by the same functions; only where the words come from differs:
the driver's memory, or the tables at the versions that the manifest pins.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign
from pipelines.cancellations import cancelled_by, cancelled_with, has_cancel_rules
from pipelines.consent import granted_of
from pipelines.edges.manifests import Manifest
from pipelines.edges.memory import CANCELLATIONS, CONSENTS, SUPPRESSIONS, Memory
from pipelines.repeats import find_seen, mark_repeats
from pipelines.suppression import Suppressions


def know_few(candidates: pa.Table, manifest: Manifest, campaigns: list[Campaign], memory: Memory) -> pa.Table:
    """The candidates with what is known of them. The changes that the unit itself brings are in the tables already."""
    customers = memory.customers.find(candidates["customer_id"].combine_chunks(), manifest.audience_version)
    known = candidates.append_column("customer", customers)
    # Of the newest ledger: a driver on another checkpoint may have sent the same since this unit was pinned.
    known = mark_repeats(known, find_seen(known, memory.seen.among))
    consents = memory.changes(CONSENTS, known, manifest.consents_version)
    known = known.append_column("granted", granted_of(known, consents, manifest.as_of))
    suppressed = Suppressions(memory.changes(SUPPRESSIONS, known, manifest.suppressions_version))
    known = known.append_column("suppressed_by", suppressed.said_of(known))
    return known.append_column("cancelled_by", _cancelled_by(known, manifest, campaigns, memory))


def _cancelled_by(known: pa.Table, manifest: Manifest, campaigns: list[Campaign], memory: Memory) -> pa.Array:
    said = pa.nulls(known.num_rows, pa.string())
    if has_cancel_rules(campaigns):
        events = memory.changes(CANCELLATIONS, known, manifest.cancellations_version)
        said = cancelled_by(known, events, manifest.decided_at)
    if manifest.cancelled_runs:
        said = pc.coalesce(said, cancelled_with(known, manifest.cancelled_runs))
    return said
