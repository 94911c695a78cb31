"""The messages of a chunk that share campaign version and channel, rendered: payloads, and who has none and why.

Invariant: every row gives a payload that fits in a batch, or one failure. Knows nothing of transactions.
"""

from __future__ import annotations

from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from conf import ChannelLimits
from pipelines.batches import oversized
from pipelines.campaigns import Campaign
from pipelines.links import LinkSettings
from pipelines.messages import compile_campaign

#: Rendering is the interpreter's work: threads share it and do not render at once.
_rendering = Lock()


def render_payloads(
    campaign: Campaign, links: LinkSettings, limits: ChannelLimits, channel: str, rows: pa.Table
) -> tuple[pa.LargeBinaryArray, list[tuple[str, str, str]]]:
    """The payloads of those that rendered, and (message_id, reason, detail) of the others."""
    batch = rows.combine_chunks().to_batches()[0]
    with _rendering:
        # From the process's cache: compiling costs more than rendering a batch.
        assembled = compile_campaign(campaign, links).assemble(channel, batch)
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
