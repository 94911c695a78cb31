"""Which variant a customer gets, and who is held out: a stable hash, so the answer is the same in every run and epoch.

Invariant: the assignment depends on the campaign and the customer alone, and follows the weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import accumulate

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

_SEPARATOR = "\x1f"
#: Of the hash, in hexadecimal.
_DIGITS = 13
#: A share of customers is told to a hundredth of a percent.
HOLDOUT_POINTS = 10_000

#: Names and cumulative weights of a campaign's variants; null for a campaign without any.
VARIANTS_TYPE = "array<struct<variant string, upto int>>"


def cumulate(variants: Mapping[str, int]) -> list[tuple[str, int]] | None:
    """The variants with the weight up to and including each; None when there are none."""
    return list(zip(variants, accumulate(variants.values()), strict=True)) or None


def variants_literal(variants: Mapping[str, int]) -> Column:
    """The same as a constant Column of `VARIANTS_TYPE`."""
    pairs = cumulate(variants)
    if pairs is None:
        return F.lit(None).cast(VARIANTS_TYPE)
    return F.array(*[F.struct(F.lit(n).alias("variant"), F.lit(w).alias("upto")) for n, w in pairs])


def assign_variant(campaign_id: Column, customer_id: Column, variants: Column) -> Column:
    """The customer's variant; null when the campaign has none."""
    total = F.element_at(variants, -1)["upto"]
    point = F.pmod(_bits("variant", campaign_id, customer_id), total)
    return F.element_at(F.filter(variants, lambda one: point < one["upto"]), 1)["variant"]


def holdout_points(seeds: pa.Array, customer_ids: pa.Array) -> pa.Array:
    """Where each customer stands among `HOLDOUT_POINTS`; those below a share are held out. The seed is the campaign's
    id, or the house's seed."""
    pairs = zip(seeds.to_pylist(), customer_ids.to_pylist(), strict=True)
    points = [int(_digest("holdout", *pair)[:_DIGITS], 16) % HOLDOUT_POINTS for pair in pairs]
    return pa.array(points, pa.int32())


def _digest(*parts: str | None) -> str:
    text = _SEPARATOR.join(part for part in parts if part is not None)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _bits(purpose: str, seed: Column, customer_id: Column) -> Column:
    """MD5 because its bits are uniform for similar ids, which those of CRC-32 are not; 52 of them are an exact bigint.
    The purpose keeps those who are held out from being all of one variant."""
    text = F.concat_ws(_SEPARATOR, F.lit(purpose), seed, customer_id)
    return F.conv(F.substring(F.md5(F.encode(text, "UTF-8")), 1, _DIGITS), 16, 10).cast("bigint")
