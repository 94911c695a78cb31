"""Channel choice: of the channels by which a customer can be reached, the one that a campaign wants.

Invariant: of one (origin, campaign, customer) at most one channel is chosen, unless the campaign wants all. While a
message waits nothing is chosen: the channels are compared when it falls due. A hold may be on a channel that the
campaign has given up since: it is not chosen.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decide.rows import Rows


def asks(policy: object) -> bool:
    """Whether a policy compares the channels of a customer."""
    return isinstance(policy, dict) and policy["channel_choice"] != "all" and len(policy["channels"]) > 1


def add_choice(rows: Rows, reachable: pa.Array) -> None:
    """Compute `chosen_channel`: null when the campaign wants all, when none is reachable, and while it waits."""
    chosen: list[str | None] = [None] * len(rows)
    if not asks(rows.policy):
        rows.computed["chosen_channel"] = pa.array(chosen, pa.string())
        return
    ranks = {channel: rank for rank, channel in enumerate(rows.rule("channels"))}
    is_by_wish = rows.rule("channel_choice") == "preferred"
    waits = pc.or_(rows.column("is_delayed"), pc.is_valid(rows.column("opens_at")))
    # Campaigns may share a policy.
    columns = [rows.column(name).to_pylist() for name in ("origin", "campaign_id", "customer_id")]
    keys, channels = list(zip(*columns, strict=True)), rows.column("channel").to_pylist()
    preferred = rows.customer("preferred_channel").to_pylist() if is_by_wish else [None] * len(rows)
    best: dict[tuple[str, str, str], tuple[int, str]] = {}
    for row in pc.indices_nonzero(pc.and_(pc.invert(waits), reachable)).to_pylist():
        channel = channels[row]
        if channel not in ranks:
            continue
        rank = -1 if preferred[row] == channel else ranks[channel]
        best[keys[row]] = min(best.get(keys[row], (rank, channel)), (rank, channel))
    for row in pc.indices_nonzero(pc.invert(waits)).to_pylist():
        if found := best.get(keys[row]):
            chosen[row] = found[1]
    rows.computed["chosen_channel"] = pa.array(chosen, pa.string())


def is_chosen(rows: Rows) -> pa.Array:
    """Whether the row's channel is the one, or one of the campaign's where there was nothing to choose."""
    chosen, channel, declared = rows.column("chosen_channel"), rows.column("channel"), rows.rule("channels")
    is_declared = (
        rows.all(True) if declared is None else pc.is_in(channel, value_set=pa.array(declared, pa.string()))
    )
    return pc.if_else(pc.is_null(chosen), is_declared, pc.equal(chosen, channel))
