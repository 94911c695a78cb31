"""Which variant a customer gets, and who is held out: a stable hash, so the answer is the same in every run and epoch.

Invariant: the assignment depends on the campaign and the customer alone, and follows the weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_SEPARATOR = "\x1f"
#: Of the hash.
_BITS = 52
#: A share of customers is told to a hundredth of a percent.
HOLDOUT_POINTS = 10_000


def cumulate(variants: Mapping[str, int]) -> list[tuple[str, int]] | None:
    """The variants with the weight up to and including each; None when there are none."""
    return list(zip(variants, accumulate(variants.values()), strict=True)) or None


def assign_variants(
    variants: Sequence[tuple[str, int]], campaign_ids: pa.Array, customer_ids: pa.Array
) -> pa.Array:
    """Each customer's variant; `variants` as `cumulate` makes them."""
    names, bounds = zip(*variants, strict=True)
    points = _bits("variant", campaign_ids, customer_ids) % bounds[-1]
    places = np.searchsorted(np.array(bounds), points, side="right")
    return pa.array(names, pa.string()).take(pa.array(places))


def holdout_points(seeds: pa.Array, customer_ids: pa.Array) -> pa.Array:
    """Where each customer stands among `HOLDOUT_POINTS`; those below a share are held out. The seed is the campaign's
    id, or the house's seed."""
    return pa.array(_bits("holdout", seeds, customer_ids) % HOLDOUT_POINTS, pa.int32())


def _bits(purpose: str, seeds: pa.Array, customer_ids: pa.Array) -> npt.NDArray[np.int64]:
    """MD5 because its bits are uniform for similar ids, which those of CRC-32 are not. The purpose keeps those who are
    held out from being all of one variant."""
    parts = (pa.repeat(purpose, len(seeds)), seeds, customer_ids)
    texts = pc.binary_join_element_wise(*parts, _SEPARATOR, null_handling="skip").cast(pa.binary())
    drawn = b"".join([hashlib.md5(text, usedforsecurity=False).digest() for text in texts.to_pylist()])
    first = np.frombuffer(drawn, ">u8")[::2]
    return (first >> np.uint64(64 - _BITS)).astype(np.int64)
